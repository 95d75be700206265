import type { Cluster, Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, describe, expect, inject, test } from 'vitest';
import { compileGlob } from '../../lib/store/glob.ts';
import { shardsOf } from '../../lib/store/redis/keyspace.ts';
import type { CacheStore } from '../../lib/store/store.ts';
import { inBatches, newTenant, soon } from '../conformance/backends.ts';
import { rawClient } from '../support/engines/inspect.ts';
import { openObserved } from './observed.ts';

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

  const evict = async (helper: Helper) => {
    for (const shard of shardsOf(tenant, 1)) expect(await engine.del(shard[helper])).toBe(1);
  };
  const glob = (pattern: string) => store.invalidate(tenant, compileGlob(pattern), soon());
  const readable = async (keys: string[]) => {
    const found: string[] = [];
    await inBatches(keys, async (key) => {
      if (await store.get(tenant, key)) found.push(key);
    });
    return found;
  };
  const leftOver = async () => {
    const [shard] = shardsOf(tenant, 1);
    if (!shard) throw new Error('No shard');
    return engine.exists(...shard.helpers, ...shard.entries([...keys, 'z']));
  };
  // Three pages of names.
  const keys = Array.from({ length: 2100 }, (_, i) => `k:${i}`);
  /** With one more that no invalidation here matches, so that the helper keys stay until they are evicted. */
  const setAll = () => inBatches([...keys, 'z'], (key) => store.set(tenant, key, '"old"', 100));

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
    expect(await store.get(tenant, 'k:1')).toEqual({ value: '"new"', bytes: 5, ttl: 100 });
    expect(await readable(keys)).toEqual(['k:1']);
    expect(await glob('k:*')).toEqual({ count: 1, complete: true });
  });

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
