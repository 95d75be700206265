import type { Cluster, Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach } from 'vitest';
import { type Shard, shardsOf } from '../../lib/store/redis/keyspace.ts';
import type { CacheStore } from '../../lib/store/store.ts';
import { newTenant } from '../conformance/backends.ts';
import { rawClient } from '../support/engines/inspect.ts';
import { openObserved } from './observed.ts';

/** The only shard of a tenant. */
interface ShardUnderTest {
  /** A client of the server. */
  engine: Redis | Cluster;
  store: CacheStore;
  tenant: string;
  shard: Shard;
  /** How many meta keys exist. */
  metaKeysLeft: () => Promise<number>;
}

/** Opens a store and a client before the tests, and closes them afterwards. Each test has a new tenant, whose shard is in the result. */
export function useShard(url: string): ShardUnderTest {
  const at = {
    metaKeysLeft: () => at.engine.exists(at.shard.generation, at.shard.expiryIndex, at.shard.nameIndex),
  } as ShardUnderTest;
  beforeAll(async () => {
    at.engine = await rawClient(url);
    at.store = await openObserved(url, { shards: 1 });
  });
  afterAll(async () => {
    await at.store?.close();
    at.engine?.disconnect();
  });
  beforeEach(() => {
    at.tenant = newTenant();
    at.shard = shardsOf(at.tenant, 1)[0] as Shard;
  });
  return at;
}

/** Sets so often that one set removes expired names: one in four does so, at random. */
export async function setUntilReaped(set: () => Promise<unknown>): Promise<void> {
  for (let i = 0; i < 64; i++) await set();
}
