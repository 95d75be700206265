import type { Cluster, Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, describe, expect, inject, test } from 'vitest';
import { compileGlob } from '../../lib/store/glob.ts';
import { shardsOf } from '../../lib/store/redis/keyspace.ts';
import type { CacheStore } from '../../lib/store/store.ts';
import { getPresent, leftOf, newTenant, setMany, soon } from '../conformance/backends.ts';
import { infoFields, masters, rawClient } from '../support/engines/inspect.ts';
import { openObserved } from './observed.ts';

/** How long a key has not been used when nothing touches it, in seconds. */
const IDLE_S = 3600;

const HELPERS = ['generation', 'expiryIndex', 'nameIndex'] as const;
type Helper = (typeof HELPERS)[number];

/**
 * An engine that is short of memory evicts whatever key it likes, also those that make a shard work. Here a hand does it. What
 * may never happen, whichever key goes and whenever: that something set earlier is served after an invalidation of it.
 */
describe.each(inject('targets'))('a helper key that is evicted, $name', ({ url }) => {
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

  /** Makes the engine believe that nobody has used a key for an hour. */
  const makeIdle = async (key: string) => {
    const [dump, ttlMs] = [await engine.dumpBuffer(key), await engine.pttl(key)];
    await engine.restore(key, ttlMs, dump as Buffer, 'REPLACE', 'IDLETIME', IDLE_S);
    expect(await idleSeconds(key)).toBeGreaterThanOrEqual(IDLE_S);
  };
  const idleSeconds = async (key: string) => Number(await engine.object('IDLETIME', key));
  const evict = async (helper: Helper) => {
    for (const shard of shardsOf(tenant, 1)) expect(await engine.del(shard[helper])).toBe(1);
  };
  const glob = (pattern: string) => store.invalidate(tenant, compileGlob(pattern), soon());
  const readable = async (keys: string[]) => [...(await getPresent(store, tenant, keys)).keys()];
  const leftOver = async () => {
    const [shard] = shardsOf(tenant, 1);
    if (!shard) throw new Error('No shard');
    return engine.exists(...shard.helpers, ...shard.entries([...keys, 'z']));
  };
  // Three pages of names.
  const keys = Array.from({ length: 2100 }, (_, i) => `k:${i}`);
  /** With one more that no invalidation here matches, so that the helper keys stay until they are evicted. */
  const setAll = () => setMany(store, tenant, [...keys, 'z'], '"old"');

  test.each(HELPERS)('%s, then an invalidation: nothing old is served', async (helper) => {
    await store.set(tenant, 'k:1', '"old"', 100);
    await evict(helper);
    expect((await glob('k:*')).complete).toBe(true);
    expect(await readable(['k:1'])).toEqual([]);
    await store.set(tenant, 'k:2', '"new"', 100);
    expect(await readable(['k:1', 'k:2'])).toEqual(['k:2']);
  });

  test.each(HELPERS)('%s, then a set, then an invalidation: nothing old is served', async (helper) => {
    await store.set(tenant, 'k:1', '"old"', 100);
    await evict(helper);
    await store.set(tenant, 'k:2', '"new"', 100);
    expect((await glob('k:*')).complete).toBe(true);
    expect(await readable(['k:1', 'k:2'])).toEqual([]);
    await store.set(tenant, 'k:3', '"newer"', 100);
    expect(await readable(['k:1', 'k:2', 'k:3'])).toEqual(['k:3']);
  });

  test.each(HELPERS)('%s, then a delete and a clear: nothing old is served', async (helper) => {
    await Promise.all(['k:1', 'k:2'].map((key) => store.set(tenant, key, '"old"', 100)));
    await evict(helper);
    await store.delete(tenant, 'k:1');
    expect(await readable(['k:1'])).toEqual([]);
    await store.clear(tenant, soon());
    await store.set(tenant, 'k:3', '"new"', 100);
    expect(await readable(['k:1', 'k:2', 'k:3'])).toEqual(['k:3']);
  });

  const walks = HELPERS.flatMap((helper) => [1, 2, 4].map((trip) => ({ helper, trip })));

  test.each(walks)(
    '$helper after round trip $trip of an invalidation: nothing old is served',
    async ({ helper, trip }) => {
      await setAll();
      let evicted = false;
      let trips = 0;
      afterRoundTrip = async () => {
        if (++trips === trip) {
          evicted = true;
          await evict(helper);
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
    '$helper after round trip $trip of an invalidation, with a set right after: nothing old is served',
    async ({ helper, trip }) => {
      await setAll();
      let trips = 0;
      afterRoundTrip = async () => {
        if (++trips === trip) {
          await evict(helper);
          await store.set(tenant, 'k:new', '"new"', 100);
        }
      };
      expect((await glob('k:*')).complete).toBe(true);
      afterRoundTrip = async () => {};
      // The new one came during the invalidation and may be either.
      expect(await readable(keys)).toEqual([]);
      await glob('*new');
      await store.set(tenant, 'x', '"new"', 100);
      expect(await readable([...keys, 'k:new', 'x'])).toEqual(['x']);
    },
  );

  test.each(HELPERS)('%s, then a set: every entry is there again, and is found', async (helper) => {
    await setAll();
    await evict(helper);
    await store.set(tenant, 'k:new', '"new"', 100);
    expect((await readable([...keys, 'z'])).length).toBe(keys.length + 1);
    expect(await glob('k:*')).toEqual({ count: keys.length + 1, complete: true });
    expect(await readable([...keys, 'k:new', 'z'])).toEqual(['z']);
    expect(await glob('*')).toEqual({ count: 1, complete: true });
    expect(await leftOver()).toBe(0);
  });

  test.each(HELPERS)('%s, then a clear: it counts, and nothing is left', async (helper) => {
    await setAll();
    await evict(helper);
    expect(await store.clear(tenant, soon())).toBe(keys.length + 1);
    expect(await readable([...keys, 'z'])).toEqual([]);
    expect(await leftOver()).toBe(0);
  });

  test.each(HELPERS)('%s, then a look at the usage: every entry is counted', async (helper) => {
    await setAll();
    await evict(helper);
    expect(await store.usage(tenant)).toMatchObject({ entries: keys.length + 1, sampled: 256, missing: 0 });
    expect((await readable([...keys, 'z'])).length).toBe(keys.length + 1);
  });

  test('both indexes: nothing old is served, and a set makes the tenant a new one', async () => {
    await setAll();
    await evict('expiryIndex');
    await evict('nameIndex');
    await store.set(tenant, 'k:new', '"new"', 100);
    expect(await readable([...keys, 'k:new', 'z'])).toEqual(['k:new']);
    expect(await glob('k:*')).toEqual({ count: 1, complete: true });
  });

  test('all of them at once: the tenant works as a new one', async () => {
    await setAll();
    for (const helper of HELPERS) await evict(helper);
    expect(await readable(keys)).toEqual([]);
    await store.set(tenant, 'k:1', '"new"', 100);
    expect(await store.get(tenant, 'k:1')).toEqual({ value: '"new"', bytes: 5, ttl: leftOf(100) });
    expect(await readable(keys)).toEqual(['k:1']);
    expect(await glob('k:*')).toEqual({ count: 1, complete: true });
  });

  /** Enough that the indexes are touched, which one read in eight does: all miss them once in 10^11 runs. */
  const manyTimes = async (read: () => Promise<unknown>) => {
    for (let i = 0; i < 200; i++) await read();
  };

  test.for<[string, () => Promise<unknown>]>([
    ['gets', () => manyTimes(() => store.get(tenant, 'k'))],
    ['batches of gets', () => manyTimes(() => store.getMany(tenant, ['k', 'absent'], 1e6))],
    ['a set', () => store.set(tenant, 'k', '"new"', 100)],
    ['a delete', () => store.delete(tenant, 'absent')],
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
      for (const key of shard?.helpers ?? []) await makeIdle(key);
      await use();
      for (const key of shard?.helpers ?? []) expect(await idleSeconds(key), key).toBeLessThan(IDLE_S);
    },
  );

  test('an entry that is evicted is not counted, and may be set anew', async () => {
    const [shard] = shardsOf(tenant, 1);
    await Promise.all(['k:1', 'k:2'].map((key) => store.set(tenant, key, '"old"', 100)));
    await engine.del(shard?.entry('k:1') as string);
    expect(await store.delete(tenant, 'k:1')).toBe(false);
    await store.set(tenant, 'k:3', '"new"', 100);
    await engine.del(shard?.entry('k:3') as string);
    expect(await glob('k:*')).toEqual({ count: 1, complete: true });
  });
});
