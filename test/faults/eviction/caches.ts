import { Redis } from 'ioredis';
import { readConfig } from '../../../lib/config/config.ts';
import { createLog } from '../../../lib/log/log.ts';
import { openStore } from '../../../lib/store/open.ts';
import { infoFields, rawClient } from '../../support/engines/inspect.ts';
import { type Server, startServer } from '../../support/engines/server.ts';
import type { Access } from './workload.ts';

/** Policies that evict whatever key they like, helper keys of the service among them. */
export const POLICIES = ['allkeys-lru', 'volatile-lru', 'allkeys-random'] as const;
export type Policy = (typeof POLICIES)[number];

/** A server that has little memory. */
export interface SmallServer {
  server: Server;
  /** A connection with nothing of the service around it. */
  raw: Redis;
  /** From now on it takes so much memory more than it does now: what it needs for connections and scripts is not for data. */
  limit(): Promise<void>;
  stop(): Promise<void>;
}

/** A cache on a server of its own. */
export interface Cache extends SmallServer {
  /** The text of the value, or undefined: a miss. */
  get(access: Access): Promise<string | undefined>;
  set(access: Access, value: string): Promise<void>;
}

/** Long enough that nothing expires during a measurement, in seconds. */
const TTL_SECONDS = 3600;

/** The service's store. */
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

/** What it is held against: a bare `GET` and `SET`. */
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

/** @param bytes that `limit()` allows it */
export async function smallServer(policy: Policy, bytes: number): Promise<SmallServer> {
  const server = await startServer();
  const raw = await rawClient(server.url);
  if (!(raw instanceof Redis)) throw new Error('One server is no cluster');
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
