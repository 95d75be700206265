import { Redis } from 'ioredis';
import { readConfig } from '../../../lib/config/config.ts';
import { createLog } from '../../../lib/log/log.ts';
import { openStore } from '../../../lib/store/open.ts';
import { infoFields, rawClient } from '../../support/engines/inspect.ts';
import { type Server, startServer } from '../../support/engines/server.ts';
import type { Access } from './workload.ts';

/** Eviction policies that may evict any key, also helper keys of the service. */
export const POLICIES = ['allkeys-lru', 'volatile-lru', 'allkeys-random'] as const;
export type Policy = (typeof POLICIES)[number];

/** A server with little memory. */
export interface SmallServer {
  server: Server;
  /** A plain client. */
  raw: Redis;
  /** Sets `maxmemory` to the present use plus the given number of bytes, so that connections and scripts do not count. */
  limit(): Promise<void>;
  stop(): Promise<void>;
}

/** A cache on its own server. */
export interface Cache extends SmallServer {
  /** @returns the text of the value; undefined for a miss */
  get(access: Access): Promise<string | undefined>;
  set(access: Access, value: string): Promise<void>;
}

/** So long that no entry expires during a measurement, in seconds. */
const TTL_SECONDS = 3600;

/** A cache that uses the service's store. */
export async function serviceCache(policy: Policy, maxMemoryBytes: number): Promise<Cache> {
  const small = await smallServer(policy, maxMemoryBytes);
  const config = readConfig({ DRAGONFLY_URL: small.server.url, LOG_LEVEL: 'ERROR' });
  const store = await openStore(config, createLog(config));
  await store.set('warm', 'k', '1', 1);
  await store.delete('warm', 'k');
  await small.limit();
  return {
    ...small,
    get: async ({ tenant, key }) => (await store.get(tenant, key))?.value,
    set: async ({ tenant, key }, value) => {
      await store.set(tenant, key, value, TTL_SECONDS);
    },
    async stop() {
      await store.close();
      await small.stop();
    },
  };
}

/** For comparison: a cache that uses `GET` and `SET` directly. */
export async function bareCache(policy: Policy, maxMemoryBytes: number): Promise<Cache> {
  const small = await smallServer(policy, maxMemoryBytes);
  const client = new Redis(small.server.port, small.server.host, { enableAutoPipelining: true });
  await client.ping();
  await small.limit();
  return {
    ...small,
    get: async ({ tenant, key }) => (await client.get(`${tenant}:${key}`)) ?? undefined,
    async set({ tenant, key }, value) {
      await client.set(`${tenant}:${key}`, value, 'EX', TTL_SECONDS);
    },
    async stop() {
      client.disconnect();
      await small.stop();
    },
  };
}

/** @param bytes memory for data after `limit()` */
export async function smallServer(policy: Policy, bytes: number): Promise<SmallServer> {
  const server = await startServer();
  const raw = await rawClient(server.url);
  if (!(raw instanceof Redis)) throw new Error('Expected a single server, not a cluster');
  return {
    server,
    raw,
    async limit() {
      const { used_memory: used } = await infoFields(raw, 'memory');
      await raw.config('SET', 'maxmemory', Math.round(bytes) + Number(used));
      await raw.config('SET', 'maxmemory-policy', policy);
    },
    async stop() {
      raw.disconnect();
      await server.stop();
    },
  };
}
