import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { ENTRY_OVERHEAD_BYTES } from '../../lib/store/memory/entries.ts';
import { httpCaller } from './harness/caller.ts';
import type { Figures } from './harness/figures.ts';
import { Load } from './harness/load.ts';
import type { Scenario } from './harness/scenario.ts';
import { type Service, startService } from './harness/service.ts';

const MIB = 1024 ** 2;

/** Number of entries that are written once, at the start. Half of them are then read continuously. */
const WRITTEN_ONCE = 50;

/** The load runs for one request per this many bytes of the limit, which fills the limit several times. */
const BYTES_PER_REQUEST = 150;

/** Interval at which the entries in use are read, in milliseconds. */
const USE_MS = 50;

/** Allowed growth of the process per byte of the limit. Released buffers are freed with a delay. */
const GROWTH = 2;

/** Maximum number of keys to read at the end, and the allowed error of the size that is extrapolated from them. */
const SAMPLED_KEYS = 12_000;
const SAMPLING_ERROR = 1.1;

/** Additional allowed growth, for code and uncollected garbage, in bytes. */
const HEAP = 150 * MIB;

/** The embedded backend at its limit: the load writes much more than fits. */
export const full: Scenario = {
  name: 'embedded-full',
  breaks: 'the embedded backend full, under continuous writes',
  async run({ pick, log }) {
    const limit = pick(1, 16) * MIB;
    const service = await startService({ MEMORY_MAX_BYTES: String(limit), LOG_LEVEL: 'WARN' });
    const before = rssOf(service);
    const keys = Math.ceil(limit / 600);
    const load = new Load(httpCaller(service.port), {
      callers: 16,
      pauseMs: 0,
      tenants: 3,
      // Three times as many keys as fit.
      keysPerTenant: keys,
      ttlsSeconds: [60, 300],
      // Few removals, so that space is freed by eviction.
      weights: { get: 700, set: 1480, delete: 18, invalidate: 1, clear: 0 },
    });
    try {
      log(`filling ${limit / MIB} MiB several times`);
      const peak = await keepInUse(load, service, limit / BYTES_PER_REQUEST);
      const figures = await load.stop();
      const rest = new Load(httpCaller(service.port), { callers: 0 });
      const unused = await hitsOf(rest, 'unused');
      const held = await bytesHeld(rest, load.mix.tenants, keys);
      await rest.stop();
      const grown = peak.rss - before;
      check(figures, peak.used > 0 && peak.used === peak.asked, 'an entry in use was evicted');
      check(
        figures,
        unused === 0,
        `${unused} of ${WRITTEN_ONCE} entries that were never read have not been evicted`,
      );
      check(
        figures,
        held <= (keys * 3 > SAMPLED_KEYS ? SAMPLING_ERROR : 1) * limit,
        `the backend stores ${held} bytes, more than the limit of ${limit}`,
      );
      check(figures, held > limit / 2, `the backend stores only ${held} bytes, so the cache is not full`);
      check(figures, grown < GROWTH * limit + HEAP, `the process grew by ${Math.round(grown / MIB)} MiB`);
      Object.assign(figures.notes, {
        limitMiB: limit / MIB,
        heldMiB: Math.round((held / MIB) * 10) / 10,
        rssMiBBefore: Math.round(before / MIB),
        rssMiBAtMost: Math.round(peak.rss / MIB),
      });
      return figures;
    } finally {
      await service.stop();
    }
  },
};

/** Writes the entries that are written once, and reads half of them repeatedly until the load has sent `requests` requests. */
async function keepInUse(load: Load, service: Service, requests: number) {
  const peak = { rss: 0, used: 0, asked: 0 };
  // All at once, and those in use last: on a busy machine one after the other takes seconds, in which the first would be evicted unread.
  for (const tenant of ['unused', 'used']) {
    const sets = Array.from({ length: WRITTEN_ONCE }, (_, i) => load.mix.set(tenant, `k:${i}`, 300));
    await Promise.all(sets.map((set) => load.ask(set)));
  }
  while (load.requests < requests) {
    peak.used += await hitsOf(load, 'used');
    peak.asked += WRITTEN_ONCE;
    peak.rss = Math.max(peak.rss, rssOf(service));
    await sleep(USE_MS);
  }
  return peak;
}

async function hitsOf(load: Load, tenant: string): Promise<number> {
  const found = await Promise.all(
    Array.from({ length: WRITTEN_ONCE }, (_, i) => load.ask({ operation: 'get', tenant, key: `k:${i}` })),
  );
  return found.filter((response) => response?.text.includes('"found":true')).length;
}

/** Size of the stored entries as the backend measures it, in bytes. Extrapolated from a sample if there are many keys. */
async function bytesHeld(load: Load, tenants: readonly string[], keys: number): Promise<number> {
  const step = Math.ceil((tenants.length * keys) / SAMPLED_KEYS);
  let bytes = 0;
  for (const tenant of tenants) {
    const look = async (index: number) => {
      const key = `g${index % 5}:${index}`;
      const text = (await load.ask({ operation: 'get', tenant, key }))?.text ?? '';
      const [, value] = /"value":(.*),"found":true/.exec(text) ?? [];
      if (value !== undefined) bytes += Buffer.byteLength(value) + 2 * key.length + ENTRY_OVERHEAD_BYTES;
    };
    for (let from = 0; from < keys; from += 64 * step) {
      const some = Array.from({ length: 64 }, (_, i) => from + i * step).filter((index) => index < keys);
      await Promise.all(some.map(look));
    }
  }
  return bytes * step;
}

function rssOf({ pid }: Service): number {
  const kilobytes = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return Number(kilobytes) * 1024;
}

function check(figures: Figures, holds: boolean, otherwise: string): void {
  if (holds) return;
  figures.unexplained++;
  figures.problems.push(otherwise);
}
