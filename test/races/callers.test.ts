import { type ChildProcess, fork } from 'node:child_process';
import { join } from 'node:path';
import type { Cluster, Redis } from 'ioredis';
import { describe, expect, inject, test } from 'vitest';
import { shardsOf } from '../../lib/store/redis/keyspace.ts';
import { newTenant } from '../conformance/backends.ts';
import { check, type Finding } from '../faults/harness/checker.ts';
import type { HistoryEvent } from '../faults/harness/history.ts';
import { startService } from '../http/service.ts';
import type { Target } from '../support/engines/global-setup.ts';
import { rawClient } from '../support/engines/inspect.ts';
import { LONG_RUN } from '../support/long-run.ts';
import type { Counts, Message, Report } from './caller.ts';

const PROCESSES = 4;
/** How often, at least, there are stale reads, rejected fills, removals and all else that is counted. */
const MIN_COUNT = 10;
/** Few, so that the keys of a tenant share indexes. */
const SHARDS = 2;

const EMBEDDED = { name: 'the embedded store', url: undefined };
const servers = (targets: readonly Target[]) =>
  targets.map(({ name, url }) => ({ name: `${name}, with evictions`, url }));
const stores = LONG_RUN
  ? [EMBEDDED, ...servers(inject('targets'))]
  : [...servers(inject('targets').filter(({ cluster }) => !cluster)), EMBEDDED].slice(0, 1);

/**
 * Several processes share caches: they get, produce and remove at random, with leases that end too early and producers that fail.
 * Meanwhile keys of the server are deleted at random, as an eviction would.
 *
 * Invariant: a value that is read was not produced before an invalidation. For each removal that covers the key and was answered before
 * the read began, the value's producer started after the removal began. Removals are deletes, matching invalidations and clears; reads are
 * `get`, `getOrSet` and `getOrSetMany`, fresh or stale. A `getOrSet` that joins an earlier one of its process returns what that one
 * looked up or produced. Its read began with that one, except for removals by its own process, which end such joins.
 */
describe.each(stores)('processes that get, produce and remove, $name', ({ url }) => {
  const wanted = LONG_RUN ? 20_000 : 2_500;
  test('no value is read that was produced before an invalidation', { timeout: 300_000 }, async () => {
    const env: Record<string, string> = url === undefined ? {} : { DRAGONFLY_URL: url };
    const service = await startService({ CACHE_SHARDS: String(SHARDS), LOG_LEVEL: 'WARN', ...env });
    const tenants = [newTenant(), newTenant()];
    const engine = url === undefined ? undefined : await rawClient(url);
    let evictions = 0;
    const evict = async () => {
      if (engine && (await evictOne(engine, tenants))) evictions++;
    };
    try {
      const { reports, counts } = await run(service.url, tenants, wanted, evict);
      expect(reports.flatMap(({ failures }) => failures)).toEqual([]);
      const findings = findingsOf(reports);
      expect(findings.slice(0, 5), `${findings.length} reads`).toEqual([]);
      expect(counts.reads).toBeGreaterThanOrEqual(wanted);
      for (const [what, count] of Object.entries(counts))
        expect(count, what).toBeGreaterThanOrEqual(MIN_COUNT);
      if (engine) expect(evictions).toBeGreaterThan(0);
    } finally {
      engine?.disconnect();
      await service.stop();
    }
  });
});

/**
 * Runs the callers until they have read enough and everything has happened often enough; or until they have read three times as much,
 * because a service with a fault may never reject a fill.
 *
 * @param evict called after each few reads
 */
async function run(
  url: string,
  tenants: string[],
  wanted: number,
  evict: () => Promise<void>,
): Promise<{ reports: Report[]; counts: Counts }> {
  const callers = Array.from({ length: PROCESSES }, () =>
    fork(join(import.meta.dirname, 'caller.ts'), [url, ...tenants], {
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
      execArgv: [],
      serialization: 'advanced',
    }),
  );
  const latest = new Map<ChildProcess, Counts>();
  let evictions = Promise.resolve();
  let isStopped = false;
  const progress = (caller: ChildProcess, counts: Counts) => {
    evictions = evictions.then(evict);
    latest.set(caller, counts);
    const total = sum([...latest.values()]);
    const isEnough = Object.values(total).every((count) => count >= MIN_COUNT) || total.reads >= 3 * wanted;
    if (isStopped || total.reads < wanted || !isEnough) return;
    isStopped = true;
    for (const each of callers) each.send('stop');
  };
  try {
    const reports = await Promise.all(callers.map((caller) => reportOf(caller, progress)));
    await evictions;
    return { reports, counts: sum([...latest.values()]) };
  } finally {
    for (const caller of callers) caller.kill('SIGKILL');
  }
}

function reportOf(
  caller: ChildProcess,
  progress: (caller: ChildProcess, counts: Counts) => void,
): Promise<Report> {
  return new Promise((resolve, reject) => {
    caller.on('message', (message: Message) => {
      if (message.kind === 'report') resolve(message.report);
      else progress(caller, message.counts);
    });
    caller.once('error', reject);
    caller.once('exit', (code) => reject(new Error(`A caller ended with ${code} before its report`)));
  });
}

/** Deletes a generation, an index or an entry. @returns whether there was one */
async function evictOne(engine: Redis | Cluster, tenants: string[]): Promise<boolean> {
  const shards = tenants.flatMap((tenant) => shardsOf(tenant, SHARDS));
  const shard = shards[Math.floor(Math.random() * shards.length)];
  const [name = ''] = (await engine.zrandmember(shard?.expiryIndex ?? '', 1)) as string[];
  const keys = [...(shard?.metaKeys ?? []), shard?.entryKey(name) ?? ''];
  return (await engine.del(keys[Math.floor(Math.random() * keys.length)] ?? '')) === 1;
}

/** The reads that break the invariant. */
function findingsOf(reports: Report[]): Finding[] {
  const changes = reports.flatMap((report) => report.changes);
  const produced = changes.filter(({ kind }) => kind === 'set');
  const ofAll = reports.flatMap(({ reads }) =>
    reads.flatMap(({ event, lookupBegan, isOwn }) => (isOwn ? [] : [{ ...event, began: lookupBegan }])),
  );
  const findings = check([...changes, ...ofAll]).findings;
  for (const { changes, reads } of reports) {
    const removals = changes.filter(({ kind }) => kind === 'removal');
    const history: HistoryEvent[] = [...produced, ...removals, ...reads.map(({ event }) => event)];
    // A value that was joined may be older than one that another operation has read since.
    findings.push(...check(history).findings.filter(({ violation }) => violation !== 'older'));
  }
  return findings;
}

function sum(all: Counts[]): Counts {
  const total: Record<string, number> = {};
  for (const counts of all) {
    for (const [name, count] of Object.entries(counts)) total[name] = (total[name] ?? 0) + count;
  }
  return total as Counts;
}
