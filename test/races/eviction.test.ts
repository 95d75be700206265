import { setTimeout as sleep } from 'node:timers/promises';
import type { Cluster, Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, describe, expect, inject, test } from 'vitest';
import { compileGlob } from '../../lib/store/glob.ts';
import { shardsOf } from '../../lib/store/redis/keyspace.ts';
import type { CacheStore } from '../../lib/store/store.ts';
import { getPresent, leftOf, newTenant, setMany, soon } from '../conformance/backends.ts';
import { infoFields, masters, rawClient } from '../support/engines/inspect.ts';
import { openObserved } from './observed.ts';

/** Idle time of a key that no operation has used. */
const IDLE_S = 3600;

const META_KEYS = ['generation', 'expiryIndex', 'nameIndex'] as const;
type MetaKey = (typeof META_KEYS)[number];

/**
 * An engine that is short of memory may evict any key, including the meta keys of a shard. These tests delete meta keys to
 * simulate that. Invariant: whichever key is evicted at whatever time, an entry is never a hit after an invalidation that
 * followed its set.
 */
describe.each(inject('targets'))('a meta key that is evicted, $name', ({ url }) => {
  let engine: Redis | Cluster;
  let store: CacheStore;
  let tenant: string;
  /** Runs after every round trip of the store to the server. */
  let afterRoundTrip = async () => {};

  beforeAll(async () => {
    engine = await rawClient(url);
    store = await openObserved(url, { shards: 1 }, () => afterRoundTrip());
  });
  afterAll(async () => {
    await store.close();
    engine.disconnect();
  });
  beforeEach(() => {
    tenant = newTenant();
    afterRoundTrip = async () => {};
  });

  /** Sets the idle time of a key to an hour. */
  const makeIdle = async (key: string) => {
    const [dump, ttlMs] = [await engine.dumpBuffer(key), await engine.pttl(key)];
    await engine.restore(key, ttlMs, dump as Buffer, 'REPLACE', 'IDLETIME', IDLE_S);
    expect(await idleSeconds(key)).toBeGreaterThanOrEqual(IDLE_S);
  };
  const idleSeconds = async (key: string) => Number(await engine.object('IDLETIME', key));
  const evict = async (metaKey: MetaKey) => {
    for (const shard of shardsOf(tenant, 1)) expect(await engine.del(shard[metaKey])).toBe(1);
  };
  const glob = (pattern: string) => store.invalidate(tenant, compileGlob(pattern), soon());
  const readable = async (keys: string[]) => [...(await getPresent(store, tenant, keys)).keys()];
  const leftOver = async () => {
    const [shard] = shardsOf(tenant, 1);
    if (!shard) throw new Error('No shard');
    return engine.exists(...shard.metaKeys, ...shard.entryKeys([...keys, 'z']));
  };
  // Three pages of names.
  const keys = Array.from({ length: 2100 }, (_, i) => `k:${i}`);
  /** Sets also an entry that no invalidation here matches, so that the meta keys exist until they are evicted. */
  const setAll = () => setMany(store, tenant, [...keys, 'z'], '"old"');

  test.each(META_KEYS)('%s, then an invalidation: older entries are misses', async (metaKey) => {
    await store.set(tenant, 'k:1', '"old"', 100);
    await evict(metaKey);
    expect((await glob('k:*')).complete).toBe(true);
    expect(await readable(['k:1'])).toEqual([]);
    await store.set(tenant, 'k:2', '"new"', 100);
    expect(await readable(['k:1', 'k:2'])).toEqual(['k:2']);
  });

  test.each(META_KEYS)('%s, then a set and an invalidation: older entries are misses', async (metaKey) => {
    await store.set(tenant, 'k:1', '"old"', 100);
    await evict(metaKey);
    await store.set(tenant, 'k:2', '"new"', 100);
    expect((await glob('k:*')).complete).toBe(true);
    expect(await readable(['k:1', 'k:2'])).toEqual([]);
    await store.set(tenant, 'k:3', '"newer"', 100);
    expect(await readable(['k:1', 'k:2', 'k:3'])).toEqual(['k:3']);
  });

  test.each(META_KEYS)('%s, then a touch and an invalidation: older entries are misses', async (metaKey) => {
    await Promise.all(['k:1', 'k:2'].map((key) => store.set(tenant, key, '"old"', 100)));
    await evict(metaKey);
    // The other meta keys suffice to find the entry again.
    expect(await store.touch(tenant, 'k:1', 1000)).toBe(true);
    expect(await store.get(tenant, 'k:1')).toEqual({ value: '"old"', bytes: 5, ttl: leftOf(1000) });
    expect(await glob('k:*')).toEqual({ count: 2, complete: true });
    expect(await readable(['k:1', 'k:2'])).toEqual([]);
  });

  test('both indexes, then a touch: older entries are misses', async () => {
    await store.set(tenant, 'k:1', '"old"', 100);
    await evict('expiryIndex');
    await evict('nameIndex');
    expect(await store.touch(tenant, 'k:1', 1000)).toBe(false);
    expect(await readable(['k:1'])).toEqual([]);
  });

  test('the entry, then a touch: a miss, and its name remains without an entry', async () => {
    await store.set(tenant, 'k:1', '"old"', 100);
    for (const shard of shardsOf(tenant, 1)) expect(await engine.del(shard.entryKey('k:1'))).toBe(1);
    expect(await store.touch(tenant, 'k:1', 1000)).toBe(false);
    expect(await readable(['k:1'])).toEqual([]);
  });

  test.each(META_KEYS)('%s, then an invalidation of a tag: its entries are misses', async (metaKey) => {
    const tagged = (key: string, ...tags: string[]) => store.set(tenant, key, '"old"', 100, { tags });
    await tagged('k:1', 'a', 'b');
    await tagged('k:2', 'b');
    await tagged('z', 'c');
    await evict(metaKey);
    await store.set(tenant, 'k:3', '"new"', 100, { tags: ['b'] });
    expect(await store.invalidateTags(tenant, ['b'], soon())).toEqual({ count: 3, complete: true });
    expect(await readable(['k:1', 'k:2', 'k:3', 'z'])).toEqual(['z']);
    expect(await store.invalidateTags(tenant, ['a', 'c'], soon())).toEqual({ count: 1, complete: true });
    expect(await leftOver()).toBe(0);
  });

  test('both indexes, then an invalidation of a tag: its entries are misses', async () => {
    await store.set(tenant, 'k:1', '"old"', 100, { tags: ['a'] });
    await evict('expiryIndex');
    await evict('nameIndex');
    await store.invalidateTags(tenant, ['a'], soon());
    await store.set(tenant, 'z', '"new"', 100);
    expect(await readable(['k:1', 'z'])).toEqual(['z']);
  });

  test.each(META_KEYS.flatMap((metaKey) => [1, 2].map((trip) => ({ metaKey, trip }))))(
    '$metaKey, after round trip $trip of an invalidation of a tag: its entries are misses',
    async ({ metaKey, trip }) => {
      const items = [...keys, 'z'].map((key) => ({
        key,
        value: '"old"',
        ttlSeconds: 100,
        tags: key === 'z' ? [] : ['a'],
      }));
      for (let at = 0; at < items.length; at += 100) await store.setMany(tenant, items.slice(at, at + 100));
      let trips = 0;
      afterRoundTrip = async () => {
        if (++trips === trip) await evict(metaKey);
      };
      expect((await store.invalidateTags(tenant, ['a'], soon())).complete).toBe(true);
      afterRoundTrip = async () => {};
      expect(trips).toBeGreaterThanOrEqual(trip);
      expect(await readable(keys)).toEqual([]);
      await store.set(tenant, 'x', '"new"', 100);
      expect(await readable(keys)).toEqual([]);
    },
  );

  test.each(META_KEYS)(
    '%s, between a lease and its fill: the value is found by the next invalidation',
    async (metaKey) => {
      await store.set(tenant, 'k:1', '"old"', 100);
      const { lease } = await store.lease(tenant, 'k:2', 300);
      await evict(metaKey);
      // The other meta keys suffice to restore it.
      expect(await store.set(tenant, 'k:2', '"new"', 100, { lease: lease?.token })).toBe(true);
      expect(await readable(['k:1', 'k:2'])).toEqual(['k:1', 'k:2']);
      expect(await glob('k:*')).toEqual({ count: 2, complete: true });
      expect(await readable(['k:1', 'k:2'])).toEqual([]);
    },
  );

  test.each(META_KEYS)('%s, between a lease and an invalidation: the fill is rejected', async (metaKey) => {
    await store.set(tenant, 'z', '"old"', 100);
    const { lease } = await store.lease(tenant, 'k:2', 300);
    await evict(metaKey);
    expect((await glob('k:*')).complete).toBe(true);
    expect(await store.set(tenant, 'k:2', '"stale"', 100, { lease: lease?.token })).toBe(false);
    expect(await readable(['k:2'])).toEqual([]);
  });

  test.each(META_KEYS)('%s, then a lease: older entries are hits, and the fill too', async (metaKey) => {
    await store.set(tenant, 'k:1', '"old"', 100);
    await evict(metaKey);
    const { lease } = await store.lease(tenant, 'k:2', 300);
    expect(await store.set(tenant, 'k:2', '"new"', 100, { lease: lease?.token })).toBe(true);
    expect(await readable(['k:1', 'k:2'])).toEqual(['k:1', 'k:2']);
    expect(await glob('k:*')).toEqual({ count: 2, complete: true });
    expect(await readable(['k:1', 'k:2'])).toEqual([]);
  });

  test.each(META_KEYS)('%s, then a release: older entries are hits', async (metaKey) => {
    await store.set(tenant, 'k:1', '"old"', 100);
    const { lease } = await store.lease(tenant, 'k:2', 300);
    await evict(metaKey);
    await store.release(tenant, 'k:2', lease?.token ?? '');
    expect(await readable(['k:1'])).toEqual(['k:1']);
    expect(await glob('k:*')).toEqual({ count: 1, complete: true });
  });

  test('both indexes, between a lease and its fill: the fill is rejected', async () => {
    const { lease } = await store.lease(tenant, 'k:1', 300);
    await evict('expiryIndex');
    await evict('nameIndex');
    expect(await store.set(tenant, 'k:1', '"new"', 100, { lease: lease?.token })).toBe(false);
    expect(await readable(['k:1'])).toEqual([]);
  });

  test('the placeholder, between a lease and its fill: the fill is rejected', async () => {
    const { lease } = await store.lease(tenant, 'k:1', 300);
    for (const shard of shardsOf(tenant, 1)) expect(await engine.del(shard.entryKey('k:1'))).toBe(1);
    expect(await store.set(tenant, 'k:1', '"new"', 100, { lease: lease?.token })).toBe(false);
    expect(await readable(['k:1'])).toEqual([]);
    expect((await store.lease(tenant, 'k:1', 300)).lease).toBeDefined();
  });

  test.each(META_KEYS)(
    '%s, then an invalidation: a stale value and the lease on it are gone',
    async (metaKey) => {
      await store.set(tenant, 'z', '"old"', 100);
      await store.set(tenant, 'k:1', '"old"', 1, { graceSeconds: 100 });
      await sleep(1100);
      const { hit, lease } = await store.lease(tenant, 'k:1', 300);
      expect(hit?.value).toBe('"old"');
      await evict(metaKey);
      expect((await glob('k:*')).complete).toBe(true);
      expect(await store.set(tenant, 'k:1', '"stale"', 100, { lease: lease?.token })).toBe(false);
      expect((await store.lease(tenant, 'k:1', 300)).hit).toBeUndefined();
    },
  );

  test.each(META_KEYS)('%s, then a delete and a clear: older entries are misses', async (metaKey) => {
    await Promise.all(['k:1', 'k:2'].map((key) => store.set(tenant, key, '"old"', 100)));
    await evict(metaKey);
    await store.delete(tenant, 'k:1');
    expect(await readable(['k:1'])).toEqual([]);
    await store.clear(tenant, soon());
    await store.set(tenant, 'k:3', '"new"', 100);
    expect(await readable(['k:1', 'k:2', 'k:3'])).toEqual(['k:3']);
  });

  const walks = META_KEYS.flatMap((metaKey) => [1, 2, 4].map((trip) => ({ metaKey, trip })));

  test.each(walks)(
    '$metaKey, after round trip $trip of an invalidation: older entries are misses',
    async ({ metaKey, trip }) => {
      await setAll();
      let evicted = false;
      let trips = 0;
      afterRoundTrip = async () => {
        if (++trips === trip) {
          evicted = true;
          await evict(metaKey);
        }
      };
      expect((await glob('k:*')).complete).toBe(true);
      afterRoundTrip = async () => {};
      expect(evicted).toBe(true);
      expect(await readable(keys)).toEqual([]);
      await store.set(tenant, 'x', '"new"', 100);
      expect(await readable(keys)).toEqual([]);
      await glob('k:*');
      expect(await readable([...keys, 'x'])).toEqual(['x']);
    },
  );

  test.each(walks)(
    '$metaKey, after round trip $trip of an invalidation, then a set: older entries are misses',
    async ({ metaKey, trip }) => {
      await setAll();
      let trips = 0;
      afterRoundTrip = async () => {
        if (++trips === trip) {
          await evict(metaKey);
          await store.set(tenant, 'k:new', '"new"', 100);
        }
      };
      expect((await glob('k:*')).complete).toBe(true);
      afterRoundTrip = async () => {};
      // The new entry was set during the invalidation and may be a hit or a miss.
      expect(await readable(keys)).toEqual([]);
      await glob('*new');
      await store.set(tenant, 'x', '"new"', 100);
      expect(await readable([...keys, 'k:new', 'x'])).toEqual(['x']);
    },
  );

  test.each(META_KEYS)(
    '%s, then a set: every entry is a hit again, and the indexes contain it',
    async (metaKey) => {
      await setAll();
      await evict(metaKey);
      await store.set(tenant, 'k:new', '"new"', 100);
      expect((await readable([...keys, 'z'])).length).toBe(keys.length + 1);
      expect(await glob('k:*')).toEqual({ count: keys.length + 1, complete: true });
      expect(await readable([...keys, 'k:new', 'z'])).toEqual(['z']);
      expect(await glob('*')).toEqual({ count: 1, complete: true });
      expect(await leftOver()).toBe(0);
    },
  );

  test.each(META_KEYS)('%s, then a clear: it returns the count, and leaves no key', async (metaKey) => {
    await setAll();
    await evict(metaKey);
    expect(await store.clear(tenant, soon())).toBe(keys.length + 1);
    expect(await readable([...keys, 'z'])).toEqual([]);
    expect(await leftOver()).toBe(0);
  });

  test.each(META_KEYS)('%s, then a usage request: every entry is counted', async (metaKey) => {
    await setAll();
    await evict(metaKey);
    expect(await store.usage(tenant)).toMatchObject({ entries: keys.length + 1, sampled: 256, missing: 0 });
    expect((await readable([...keys, 'z'])).length).toBe(keys.length + 1);
  });

  test('both indexes, then a set: older entries are misses, and the set is a hit', async () => {
    await setAll();
    await evict('expiryIndex');
    await evict('nameIndex');
    await store.set(tenant, 'k:new', '"new"', 100);
    expect(await readable([...keys, 'k:new', 'z'])).toEqual(['k:new']);
    expect(await glob('k:*')).toEqual({ count: 1, complete: true });
  });

  test('all three, then a set: the tenant works as a new one', async () => {
    await setAll();
    for (const metaKey of META_KEYS) await evict(metaKey);
    expect(await readable(keys)).toEqual([]);
    await store.set(tenant, 'k:1', '"new"', 100);
    expect(await store.get(tenant, 'k:1')).toEqual({ value: '"new"', bytes: 5, ttl: leftOf(100) });
    expect(await readable(keys)).toEqual(['k:1']);
    expect(await glob('k:*')).toEqual({ count: 1, complete: true });
  });

  /** One read in eight touches the indexes. With 200 reads, no read touches them in one of 10^11 runs. */
  const manyTimes = async (read: () => Promise<unknown>) => {
    for (let i = 0; i < 200; i++) await read();
  };

  test.for<[string, () => Promise<unknown>]>([
    ['gets', () => manyTimes(() => store.get(tenant, 'k'))],
    ['batches of gets', () => manyTimes(() => store.getMany(tenant, ['k', 'absent'], 1e6))],
    ['a set', () => store.set(tenant, 'k', '"new"', 100)],
    ['a delete', () => store.delete(tenant, 'absent')],
    ['a lease', () => store.lease(tenant, 'absent', 300)],
    ['lease requests that find a value', () => manyTimes(() => store.lease(tenant, 'k', 300))],
    ['an invalidation', () => glob('absent*')],
  ])(
    'is not idle after %s, so an engine that evicts the least recently used keys keeps it',
    async ([, use], { skip }) => {
      const [node] = masters(engine) as [Redis];
      const { dragonfly_version } = await infoFields(node, 'server');
      skip(dragonfly_version !== undefined, 'Dragonfly does not report OBJECT IDLETIME');
      const { maxmemory_policy = '' } = await infoFields(node, 'memory');
      skip(
        maxmemory_policy.endsWith('lfu'),
        `an engine with ${maxmemory_policy} does not report OBJECT IDLETIME`,
      );
      await store.set(tenant, 'k', '"old"', 100);
      const [shard] = shardsOf(tenant, 1);
      for (const key of shard?.metaKeys ?? []) await makeIdle(key);
      await use();
      for (const key of shard?.metaKeys ?? []) expect(await idleSeconds(key), key).toBeLessThan(IDLE_S);
    },
  );

  test('an evicted entry is not counted by an invalidation, and can be set again', async () => {
    const [shard] = shardsOf(tenant, 1);
    await Promise.all(['k:1', 'k:2'].map((key) => store.set(tenant, key, '"old"', 100)));
    await engine.del(shard?.entryKey('k:1') as string);
    expect(await store.delete(tenant, 'k:1')).toBe(false);
    await store.set(tenant, 'k:3', '"new"', 100);
    await engine.del(shard?.entryKey('k:3') as string);
    expect(await glob('k:*')).toEqual({ count: 1, complete: true });
  });
});
