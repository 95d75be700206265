import type { Cluster, Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, describe, expect, inject, test } from 'vitest';
import { compileGlob } from '../../lib/store/glob.ts';
import { evaluate } from '../../lib/store/redis/connection/evaluate.ts';
import { encodeEntry } from '../../lib/store/redis/entry.ts';
import { type Shard, shardsOf } from '../../lib/store/redis/keyspace.ts';
import { REAP_GRACE_MS, REAPED_PER_SET, set } from '../../lib/store/redis/scripts.ts';
import type { CacheStore } from '../../lib/store/store.ts';
import { inBatches, newTenant, setMany, soon } from '../conformance/backends.ts';
import { rawClient } from '../support/engines/inspect.ts';
import { openObserved } from './observed.ts';

describe.each(inject('targets'))('the keys of a tenant, $name', ({ url }) => {
  let engine: Redis | Cluster;
  let store: CacheStore;
  let tenant: string;
  let shard: Shard;

  beforeAll(async () => {
    engine = await rawClient(url);
    store = await openObserved(url, { shards: 1 });
  });
  afterAll(async () => {
    await store.close();
    engine.disconnect();
  });
  beforeEach(() => {
    tenant = newTenant();
    shard = shardsOf(tenant, 1)[0] as Shard;
  });

  /** Makes an entry look as it does that long after its time, since a test cannot wait for minutes. */
  async function age(key: string, pastExpiryMs: number): Promise<void> {
    await engine.del(shard.entry(key) as string);
    await engine.zadd(shard.expiryIndex, Date.now() - pastExpiryMs, key);
  }
  const indexed = async () => ({
    names: await engine.zrangebylex(shard.nameIndex, '[\x01', '+'),
    expiring: (await engine.zrangebyscore(shard.expiryIndex, '(0', '+inf')).sort(),
  });
  const helpersLeft = async () => {
    const { generation, expiryIndex, nameIndex } = shard;
    return engine.exists(generation, expiryIndex, nameIndex);
  };

  test('lists nothing that expired 70 s and 16 sets ago', async () => {
    await store.set(tenant, 'k', '1', 1);
    await age('k', 70_000);
    const others = Array.from({ length: 16 }, (_, i) => `other:${i}`).sort();
    await inBatches(others, (key) => store.set(tenant, key, '1', 100));
    expect(await indexed()).toEqual({ names: others, expiring: others });
  });

  test('lists what has just expired, since a replica may think otherwise', async () => {
    await store.set(tenant, 'k', '1', 1);
    await age('k', REAP_GRACE_MS - 20_000);
    // Not by the same store, which was told the name and would find that its entry is gone.
    const other = await openObserved(url, { shards: 1 });
    await other.set(tenant, 'other', '1', 100);
    await other.close();
    expect((await indexed()).names).toEqual(['k', 'other']);
  });

  test('name little of what was evicted, however much that was', async () => {
    const keys = Array.from({ length: 1000 }, (_, i) => `k:${i}`);
    for (const key of keys) {
      await store.set(tenant, key, '1', 100);
      const index = Number(key.slice(2));
      // Never more than a hundred entries are there at a time.
      if (index >= 100) await engine.del(shard.entry(`k:${index - 100}`) as string);
    }
    const { names, expiring } = await indexed();
    expect(names.length).toBeGreaterThanOrEqual(100);
    expect(names.length).toBeLessThan(200);
    expect(expiring).toHaveLength(names.length);
  });

  test('are searched for what was evicted among what has not expired', async () => {
    for (const key of ['kept', 'expired', 'evicted']) await store.set(tenant, key, '1', 100);
    await age('expired', REAP_GRACE_MS - 20_000);
    await engine.del(shard.entry('evicted') as string);
    const { head, body } = encodeEntry('1', 200, 0);
    const looked = ['expired', 'evicted'];
    const keys = [...shard.helpers, ...shard.entries(['new', ...looked])];
    const args = [Date.now() + 1000, 'generation.', 1, 16, 0, 200_000, 'new', head, body, ...looked];
    const [gone, ...further] = (await evaluate(engine, set, keys, args)) as [number, ...Buffer[]];
    expect(gone).toBe(1);
    expect(further.map(String)).toEqual(['kept', 'new']);
  });

  test('shrinks its indexes faster than sets make them grow', async () => {
    const keys = Array.from({ length: 400 }, (_, i) => `k:${i}`);
    await inBatches(keys, (key) => store.set(tenant, key, '1', 1));
    await inBatches(keys, (key) => age(key, 2 * REAP_GRACE_MS));
    const sets = keys.length / REAPED_PER_SET;
    for (let i = 0; i < sets; i++) await store.set(tenant, `new:${i}`, '1', 100);
    expect((await indexed()).names).toHaveLength(sets);
  });

  test('all live at least as long as the entry that lives longest, and not for ever', async () => {
    const { generation, expiryIndex, nameIndex } = shard;
    for (const ttl of [1, 500, 20, 1000, 3]) await store.set(tenant, `k:${ttl}`, '1', ttl);
    for (const helper of [generation, expiryIndex, nameIndex]) {
      expect(await engine.pttl(helper)).toBeGreaterThan(999_000);
      expect(await engine.pttl(helper)).toBeLessThanOrEqual(1_000_000 + REAP_GRACE_MS);
    }
  });

  test.each([
    ['a delete of the last entry', () => store.delete(tenant, 'k')],
    ['an invalidation of all entries', () => store.invalidate(tenant, compileGlob('?'), soon())],
    ['a clear', () => store.clear(tenant, soon())],
  ])('are all gone after %s', async (_, empty) => {
    await store.set(tenant, 'k', '1', 100);
    expect(await helpersLeft()).toBe(3);
    await empty();
    expect(await helpersLeft()).toBe(0);
    expect(await engine.exists(shard.entry('k') as string)).toBe(0);
  });

  test('give back the memory of every entry that a clear removed', async () => {
    const keys = Array.from({ length: 2500 }, (_, i) => `k:${i}`);
    await setMany(store, tenant, keys, '1');
    await store.clear(tenant, soon());
    const left = await Promise.all(keys.map((key) => engine.exists(shard.entry(key) as string)));
    expect(left.filter(Boolean)).toEqual([]);
  });
});
