import type { Cluster, Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, inject, test } from 'vitest';
import { readConfig } from '../../lib/config/config.ts';
import { createLog } from '../../lib/log/log.ts';
import { openStore } from '../../lib/store/open.ts';
import { shardsOf } from '../../lib/store/redis/keyspace.ts';
import { type CacheStore, noObserver, type StorageLimits } from '../../lib/store/store.ts';
import { newTenant, setMany, soon } from '../conformance/backends.ts';
import { rawClient } from '../support/engines/inspect.ts';
import { PATIENT } from '../support/patience.ts';

const SHARDS = 2;
const MAX_ENTRIES = 200;
const MAX_BYTES = 1024 ** 2;
/** 1 kB with the header. */
const VALUE = JSON.stringify('x'.repeat(991));

/** A server that is short of memory may evict any key. These tests delete keys to simulate that. */
describe.each(inject('targets'))('the limits of a tenant whose keys are evicted, $name', ({ url }) => {
  let engine: Redis | Cluster;
  let store: CacheStore;
  let tenant: string;
  let limits: StorageLimits;

  beforeAll(async () => {
    engine = await rawClient(url);
  });
  afterAll(() => engine.disconnect());
  beforeEach(async () => {
    const config = {
      ...readConfig({ ...PATIENT, DRAGONFLY_URL: url, LOG_LEVEL: 'ERROR' }),
      shards: SHARDS,
      compressMinBytes: 0,
    };
    store = await openStore(config, createLog(config), noObserver, () => limits);
    tenant = newTenant();
  });
  afterEach(async () => {
    await store.clear(tenant, soon());
    await store.close();
  });

  const evict = async (keyOf: (shard: ReturnType<typeof shardsOf>[number]) => string) => {
    for (const shard of shardsOf(tenant, SHARDS)) expect(await engine.del(keyOf(shard))).toBe(1);
  };
  const fill = (prefix: string, count: number) =>
    setMany(
      store,
      tenant,
      Array.from({ length: count }, (_, i) => `${prefix}:${i}`),
      VALUE,
    );

  test.each(['generation', 'expiryIndex', 'nameIndex'] as const)('%s: both limits hold', async (metaKey) => {
    for (const given of [{ maxEntries: MAX_ENTRIES }, { maxBytes: MAX_BYTES }]) {
      limits = { maxEntries: undefined, maxBytes: undefined, ...given };
      for (let round = 0; round < 4; round++) {
        await fill(`${metaKey}:${round}`, 700);
        await evict((shard) => shard[metaKey]);
      }
      await fill('last', 700);
      const { entries, bytes } = await store.usage(tenant);
      if (limits.maxEntries) expect(entries).toBeLessThanOrEqual(1.05 * MAX_ENTRIES);
      else expect(bytes).toBeLessThanOrEqual(1.1 * MAX_BYTES);
      await store.clear(tenant, soon());
    }
  });

  test('an entry whose name remains in the index counts until a set notices it: the limit is never exceeded', async () => {
    limits = { maxEntries: MAX_ENTRIES, maxBytes: undefined };
    await fill('old', 150);
    for (let i = 0; i < 150; i++) {
      for (const shard of shardsOf(tenant, SHARDS)) await engine.del(shard.entryKey(`old:${i}`));
    }
    await fill('new', 700);
    const { entries } = await store.usage(tenant);
    expect(entries).toBeLessThanOrEqual(1.05 * MAX_ENTRIES);
    expect(entries).toBeGreaterThanOrEqual(0.9 * MAX_ENTRIES);
  });
});
