import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { ENTRY_OVERHEAD_BYTES } from '../../lib/store/memory.ts';
import { httpCaller } from './harness/caller.ts';
import type { Figures } from './harness/figures.ts';
import { Load } from './harness/load.ts';
import type { Scenario } from './harness/scenario.ts';
import { type Service, startService } from './harness/service.ts';

const MIB = 1024 ** 2;

/** Entries that are written once, at the start. */
const ONCE = 50;

/** Requests are made until there has been one for every so many bytes of the limit: by then it has been written several times. */
const BYTES_A_REQUEST = 150;

/** Between two readings of those that are in use, in milliseconds. */
const USE_MS = 50;

/** What the process may grow by for each byte that it may hold: buffers that were let go are freed a little later. */
const GROWTH = 2;

/** Keys that are looked at in the end, at most; and how far off what they say about the others may be. */
const LOOKED_AT = 12_000;
const INEXACT = 1.1;

/** What it may grow by on top of that, for code and garbage that wait to be collected, in bytes. */
const HEAP = 150 * MIB;

/** The embedded backend at its limit: much more is written than it may hold. */
export const full: Scenario = {
  name: 'embedded-full',
  breaks: 'the embedded backend is full, and is written to all the time',
  async run({ pick, say }) {
    const limit = pick(2, 16) * MIB;
    const service = await startService({ MEMORY_MAX_BYTES: String(limit), LOG_LEVEL: 'WARN' });
    const before = rssOf(service);
    const keys = Math.ceil(limit / 600);
    const load = new Load(httpCaller(service.port), {
      callers: 16,
      pauseMs: 0,
      tenants: 3,
      // Three times as many as fit.
      keysPerTenant: keys,
      ttlsSeconds: [60, 300],
      // Few removals, or they would be what makes room.
      weights: { get: 700, set: 1480, delete: 18, invalidate: 1, clear: 0 },
    });
    try {
      say(`${limit / MIB} MiB are filled several times over`);
      const peak = await inUse(load, service, limit / BYTES_A_REQUEST);
      const figures = await load.stop();
      const rest = new Load(httpCaller(service.port), { callers: 0 });
      const unused = await hitsOf(rest, 'unused');
      const held = await bytesHeld(rest, load.mix.tenants, keys);
      await rest.stop();
      const grown = peak.rss - before;
      check(figures, peak.used > 0 && peak.used === peak.asked, 'an entry in use was evicted');
      check(figures, unused === 0, `${unused} of ${ONCE} entries that nobody used are still there`);
      check(
        figures,
        held <= (keys * 3 > LOOKED_AT ? INEXACT : 1) * limit,
        `${held} bytes are held, and ${limit} may be`,
      );
      check(figures, held > limit / 2, `${held} bytes are held, which is no full cache`);
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

/** Writes the entries that are written once, and reads half of them over and over again until so much has been asked for. */
async function inUse(load: Load, service: Service, requests: number) {
  const peak = { rss: 0, used: 0, asked: 0 };
  for (const tenant of ['used', 'unused']) {
    for (let i = 0; i < ONCE; i++) await load.ask(load.mix.set(tenant, `k:${i}`, 300));
  }
  while (load.requests < requests) {
    peak.used += await hitsOf(load, 'used');
    peak.asked += ONCE;
    peak.rss = Math.max(peak.rss, rssOf(service));
    await sleep(USE_MS);
  }
  return peak;
}

async function hitsOf(load: Load, tenant: string): Promise<number> {
  const found = await Promise.all(
    Array.from({ length: ONCE }, (_, i) => load.ask({ operation: 'get', tenant, key: `k:${i}` })),
  );
  return found.filter((answer) => answer?.text.includes('"found":true')).length;
}

/** What the entries take that are there, by the backend's own measure: of many keys, by what a part of them takes. */
async function bytesHeld(load: Load, tenants: readonly string[], keys: number): Promise<number> {
  const step = Math.ceil((tenants.length * keys) / LOOKED_AT);
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
