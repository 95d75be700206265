import { Redis } from 'ioredis';
import { readConfig } from '../../lib/config/config.ts';
import { createLog } from '../../lib/log/log.ts';
import { openStore } from '../../lib/store/open.ts';
import type { CacheStore } from '../../lib/store/store.ts';
import { rawClient } from '../support/engines/inspect.ts';
import { type Server, startServer } from '../support/engines/server.ts';
import { PATIENT } from '../support/patience.ts';

/** A server of a measurement's own, with the ways to it that are held against each other. */
export interface Backend {
  server: Server;
  /** The store as the service opens it on a machine that is never frozen. */
  store: CacheStore;
  /** A connection with nothing of the service around it. */
  raw: Redis;
  /** A further store with a connection of its own; ended with the backend. */
  openStore(): Promise<CacheStore>;
  stop(): Promise<void>;
}

/** How many operations are under way at once while entries are loaded. */
const BATCH = 500;

/** So long that no entry expires during a run, in seconds. */
export const TTL_SECONDS = 24 * 3600;

export async function startBackend(): Promise<Backend> {
  const server = await startServer();
  const ends: (() => Promise<unknown>)[] = [() => server.stop()];
  const stop = async () => {
    for (const end of ends.reverse()) await end();
  };
  const open = async () => {
    const config = readConfig({ ...PATIENT, DRAGONFLY_URL: server.url, LOG_LEVEL: 'ERROR' });
    const store = await openStore(config, createLog(config));
    ends.push(() => store.close());
    return store;
  };
  try {
    const raw = await rawClient(server.url);
    if (!(raw instanceof Redis)) throw new Error('One server is no cluster');
    ends.push(() => raw.quit());
    return { server, raw, store: await open(), openStore: open, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Runs `task` for every number below `count`, some hundred of them at once. */
export async function inBatches(count: number, task: (index: number) => Promise<unknown>): Promise<void> {
  for (let from = 0; from < count; from += BATCH) {
    const size = Math.min(BATCH, count - from);
    await Promise.all(Array.from({ length: size }, (_, i) => task(from + i)));
  }
}

/**
 * Removes all keys that match by a walk over the whole store: what a service does that has no index.
 *
 * @returns how many went
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

/** The same in one command, during which the server answers nobody else. */
export async function keysAndUnlink(raw: Redis, pattern: string): Promise<number> {
  const keys = await raw.keys(pattern);
  return keys.length > 0 ? raw.unlink(...keys) : 0;
}

/** Milliseconds that it takes. @throws Error unless it answers `expected`: what did not do its work is not worth timing */
export async function timed(expected: number, work: () => Promise<number>): Promise<number> {
  const start = performance.now();
  const answer = await work();
  const milliseconds = performance.now() - start;
  if (answer !== expected) throw new Error(`${answer} entries went and not ${expected}`);
  return milliseconds;
}
