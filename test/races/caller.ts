/**
 * A process that uses caches through the client: `caller.ts URL TENANT …`. Its tasks draw operations at random until the test sends a message.
 * It reports its progress while it runs, and at last all that it did.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { CacheClient, LeaseLostError } from '../../lib/client/index.ts';
import { now } from '../faults/harness/clock.ts';
import type { HistoryEvent, ReadEvent } from '../faults/harness/history.ts';
import { readStamp, stampedValue } from '../faults/harness/value.ts';

/** A value that an operation returned. */
export interface Read {
  /** `began` is the start of the operation. */
  event: ReadEvent;
  /** When the lookup can have been sent: before the start of a `getOrSet` that joined an earlier one of this process. */
  lookupBegan: number;
  /** Whether this process produced the value since `lookupBegan`. It may not be in the cache. */
  isOwn: boolean;
}

export interface Report {
  /** The values that this process produced, and its removals. */
  changes: HistoryEvent[];
  reads: Read[];
  /** Errors that no operation may reject with. */
  failures: string[];
}

/** How often what happened. A run shows nothing about what never happened. */
export type Counts = Record<keyof ReturnType<typeof noCounts>, number>;

export type Message = { kind: 'progress'; counts: Counts } | { kind: 'report'; report: Report };

/** Values that it reads between two reports of its progress. */
const READS_PER_MESSAGE = 20;

const TASKS = 16;
const KEYS = Array.from({ length: 10 }, (_, i) => `g${i % 3}:${i}`);
/** Seconds: the shortest there are. */
const TTL_SECONDS = 1;
const LEASE_SECONDS = 1;
const GRACE_SECONDS = 60;
/** The part of the producers that take longer than the lease. */
const SLOW_PRODUCERS = 0.05;

const WEIGHTS = {
  get: 40,
  getMany: 40,
  getOrSet: 25,
  getOrSetWithGrace: 25,
  getOrSetMany: 40,
  delete: 4,
  invalidate: 3,
  clear: 1,
};
type Operation = keyof typeof WEIGHTS;
const DRAW = Object.entries(WEIGHTS).flatMap(([name, weight]) => Array(weight).fill(name as Operation));

class ProducerError extends Error {}

const [url = '', ...tenants] = process.argv.slice(2);
const counts = noCounts();
const report: Report = { changes: [], reads: [], failures: [] };
/** When their producers started, by the versions of the values of this process. */
const startedAt = new Map<number, number>();
/** The starts of the `getOrSet` that are running, by tenant and key. */
const running = new Map<string, Set<number>>();
let versions = process.pid * 1e6;
let isStopping = false;

const root = new CacheClient({
  url,
  tenant: tenants[0] ?? '',
  onError: (error) => {
    const isExpected = error instanceof LeaseLostError || error instanceof ProducerError;
    if (!isExpected) report.failures.push(String(error));
  },
  parse: (text) => {
    if (text.includes('"stale":true')) counts.staleReads++;
    if (text.includes('"retry_after_ms"')) counts.waits++;
    if (text.includes('LEASE_LOST') || text.includes('"lease_lost"')) counts.rejectedFills++;
    return JSON.parse(text);
  },
});
const clients = new Map(tenants.map((tenant) => [tenant, root.forTenant(tenant)]));

/** One task: an operation after the other. */
async function work(): Promise<void> {
  while (!isStopping) {
    try {
      await operate(of(DRAW), of([...clients.values()]), of(KEYS));
    } catch (error) {
      if (error instanceof ProducerError) counts.producersThatThrew++;
      else report.failures.push(String(error));
    }
  }
}

async function operate(operation: Operation, cache: CacheClient, key: string): Promise<void> {
  const { tenant } = cache;
  const began = now();
  switch (operation) {
    case 'get': {
      const lookup = await cache.get(key);
      if (lookup.found) record(tenant, key, lookup.value, began);
      return;
    }
    case 'getMany': {
      const lookups = await cache.getMany(KEYS);
      for (const lookup of lookups) if (lookup.found) record(tenant, lookup.key, lookup.value, began);
      return;
    }
    case 'getOrSet':
    case 'getOrSetWithGrace': {
      const name = `${tenant}/${key}`;
      const starts = running.get(name) ?? new Set();
      running.set(name, starts.add(began));
      const lookupBegan = Math.min(...starts);
      const grace = operation === 'getOrSet' ? 0 : GRACE_SECONDS;
      try {
        const value = await cache.getOrSet(
          key,
          TTL_SECONDS,
          async () => (await produce(tenant, [key]))[0],
          options(grace),
        );
        record(tenant, key, value, began, lookupBegan);
      } finally {
        starts.delete(began);
      }
      return;
    }
    case 'getOrSetMany': {
      const keys = KEYS.filter(() => Math.random() < 0.5);
      const values = await cache.getOrSetMany(
        keys,
        TTL_SECONDS,
        (missing) => produce(tenant, missing),
        options(of([0, GRACE_SECONDS])),
      );
      for (const [index, each] of keys.entries()) record(tenant, each, values[index], began);
      return;
    }
    case 'delete':
      return remove({ tenant, key }, () => cache.delete(key));
    case 'invalidate': {
      const pattern = of([`${key.slice(0, 2)}:*`, `*:${key.slice(3)}`, 'g?:[0-4]']);
      return remove({ tenant, pattern }, () => cache.invalidate(pattern));
    }
    case 'clear':
      return remove({ tenant }, () => cache.clear());
  }
}

function options(grace: number) {
  // A busy machine may keep a healthy service waiting.
  return { grace, lease: LEASE_SECONDS, timeoutMs: 20_000 };
}

/** Takes a random time, sometimes longer than the lease, and sometimes fails. */
async function produce(tenant: string, keys: readonly string[]): Promise<unknown[]> {
  const leasedAt = now();
  await sleep(Math.random() < SLOW_PRODUCERS ? 1200 * LEASE_SECONDS : Math.random() * 40);
  if (Math.random() < 0.1) throw new ProducerError();
  return keys.map((key) => {
    const version = ++versions;
    startedAt.set(version, leasedAt);
    const span = { began: now(), ended: Number.POSITIVE_INFINITY, done: false };
    report.changes.push({ kind: 'set', tenant, key, version, ttlSeconds: TTL_SECONDS, leasedAt, ...span });
    return JSON.parse(stampedValue({ tenant, key, version }));
  });
}

async function remove(
  what: { tenant: string; key?: string; pattern?: string },
  removal: () => Promise<unknown>,
) {
  const began = now();
  await removal();
  counts.removals++;
  report.changes.push({ kind: 'removal', ...what, began, ended: now(), done: true });
}

function record(tenant: string, key: string, value: unknown, began: number, lookupBegan = began): void {
  const text = JSON.stringify(value);
  const event: ReadEvent = { kind: 'read', tenant, key, began, ended: now(), value: text };
  const producedAt = startedAt.get(readStamp(text)?.version ?? 0) ?? Number.NEGATIVE_INFINITY;
  const isOwn = producedAt >= lookupBegan;
  if (isOwn) counts.ownValues++;
  if (lookupBegan < began) counts.joined++;
  report.reads.push({ event, lookupBegan, isOwn });
  if (++counts.reads % READS_PER_MESSAGE === 0) send({ kind: 'progress', counts });
}

function noCounts() {
  return {
    reads: 0,
    staleReads: 0,
    waits: 0,
    joined: 0,
    ownValues: 0,
    rejectedFills: 0,
    producersThatThrew: 0,
    removals: 0,
  };
}

function of<T>(items: readonly T[]): T {
  return items[Math.floor(Math.random() * items.length)] as T;
}

function send(message: Message, done = () => {}): void {
  process.send?.(message, done);
}

process.once('disconnect', () => process.exit());
process.once('message', () => {
  isStopping = true;
});
await Promise.all(Array.from({ length: TASKS }, work));
send({ kind: 'report', report }, () => process.exit());
