import { Redis } from 'ioredis';
import { readConfig } from '../../lib/config/config.ts';
import { createLog } from '../../lib/log/log.ts';
import { openStore } from '../../lib/store/open.ts';
import { type CacheStore, noObserver, type StorageLimitsOf } from '../../lib/store/store.ts';
import { rawClient } from '../support/engines/inspect.ts';
import { type Server, startServer } from '../support/engines/server.ts';
import { PATIENT } from '../support/patience.ts';

/** A server for one measurement, with the service's store and a plain client to compare it with. */
export interface Backend {
  server: Server;
  /** The store as the local server opens it. */
  store: CacheStore;
  /** A plain client. */
  raw: Redis;
  /** Opens another store with its own connection. It is closed with the backend. */
  openStore(limitsOf?: StorageLimitsOf): Promise<CacheStore>;
  stop(): Promise<void>;
}

/** Number of concurrent operations while entries are loaded. */
const BATCH = 500;

/** So long that no entry expires during a run, in seconds. */
export const TTL_SECONDS = 24 * 3600;

export async function startBackend(): Promise<Backend> {
  const server = await startServer();
  const ends: (() => Promise<unknown>)[] = [() => server.stop()];
  const stop = async () => {
    for (const end of ends.reverse()) await end();
  };
  const open = async (limitsOf?: StorageLimitsOf) => {
    const config = readConfig({ ...PATIENT, DRAGONFLY_URL: server.url, LOG_LEVEL: 'ERROR' });
    const store = await openStore(config, createLog(config), noObserver, limitsOf);
    ends.push(() => store.close());
    return store;
  };
  try {
    const raw = await rawClient(server.url);
    if (!(raw instanceof Redis)) throw new Error('Expected a single server, not a cluster');
    ends.push(() => raw.quit());
    return { server, raw, store: await open(), openStore: open, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Runs `task` for every number below `count`, in concurrent batches. */
export async function inBatches(count: number, task: (index: number) => Promise<unknown>): Promise<void> {
  for (let from = 0; from < count; from += BATCH) {
    const size = Math.min(BATCH, count - from);
    await Promise.all(Array.from({ length: size }, (_, i) => task(from + i)));
  }
}

/**
 * Removes all matching keys with a scan of the whole store, as a service without an index does.
 *
 * @returns the number of removed keys
 */
export async function scanAndUnlink(raw: Redis, pattern: string): Promise<number> {
  let removed = 0;
  let cursor = '0';
  do {
    const [next, keys] = await raw.scan(cursor, 'MATCH', pattern, 'COUNT', 1000);
    if (keys.length > 0) removed += await raw.unlink(...keys);
    cursor = next;
  } while (cursor !== '0');
  return removed;
}

/** Like {@link scanAndUnlink}, but with KEYS, which blocks the server. */
export async function keysAndUnlink(raw: Redis, pattern: string): Promise<number> {
  const keys = await raw.keys(pattern);
  return keys.length > 0 ? raw.unlink(...keys) : 0;
}

/** Returns the duration of `work`, in milliseconds. @throws Error unless `work` returns `expected`, the number of removed entries */
export async function timed(expected: number, work: () => Promise<number>): Promise<number> {
  const start = performance.now();
  const response = await work();
  const milliseconds = performance.now() - start;
  if (response !== expected) throw new Error(`${response} entries went and not ${expected}`);
  return milliseconds;
}
