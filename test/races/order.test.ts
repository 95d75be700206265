import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { compileGlob } from '../../lib/store/glob.ts';
import type { CacheStore } from '../../lib/store/store.ts';
import { backends, inBatches, leftOf, newTenant, setMany, soon } from '../conformance/backends.ts';

describe.each(backends)('operations that run at the same time, $name', ({ open }) => {
  let store: CacheStore;
  let tenant: string;
  const glob = (pattern: string) => store.invalidate(tenant, compileGlob(pattern), soon());
  const keys = Array.from({ length: 2000 }, (_, i) => `k:${i}`);
  /** As many keys as a batch may have. */
  const leased = keys.slice(0, 100);
  const setAll = (value: string) => setMany(store, tenant, keys, value);

  beforeAll(async () => {
    ({ store } = await open());
  });
  afterAll(() => store.close());
  beforeEach(() => {
    tenant = newTenant();
  });

  test('a set that is answered before an invalidation is a miss after it', async () => {
    for (let round = 0; round < 50; round++) {
      await store.set(tenant, 'k:1', String(round), 100);
      await glob(round % 2 ? 'k:*' : '*:1');
      expect(await store.get(tenant, 'k:1')).toBeUndefined();
    }
  });

  test('a set with a tag that is answered before an invalidation of the tag is a miss after it', async () => {
    for (let round = 0; round < 50; round++) {
      await store.set(tenant, 'k:1', String(round), 100, { tags: ['a', `b:${round}`] });
      await store.invalidateTags(tenant, [round % 2 ? 'a' : `b:${round}`], soon());
      expect(await store.get(tenant, 'k:1')).toBeUndefined();
    }
  });

  test('sets during an invalidation of their tag leave new values or misses, and those without the tag stay', async () => {
    const set = (value: string, tags: string[], batch: string[]) =>
      store.setMany(
        tenant,
        batch.map((key) => ({ key, value, ttlSeconds: 100, tags })),
      );
    for (let at = 0; at < keys.length; at += 100) await set('"old"', ['a', 'b'], keys.slice(at, at + 100));
    const invalidated = store.invalidateTags(tenant, ['a'], soon());
    for (let at = 0; at < keys.length; at += 200) {
      await Promise.all([
        set('"new"', ['a'], keys.slice(at, at + 100)),
        set('"other"', ['c'], keys.slice(at + 100, at + 200)),
      ]);
    }
    await invalidated;
    for (const [index, key] of keys.entries()) {
      if (index % 20 > 0) continue;
      const { value } = (await store.get(tenant, key)) ?? {};
      if (index % 200 < 100) expect([undefined, '"new"']).toContain(value);
      else expect(value).toBe('"other"');
    }
    expect((await store.invalidateTags(tenant, ['b'], soon())).count).toBe(0);
    expect((await store.invalidateTags(tenant, ['c'], soon())).count).toBe(1000);
  });

  test('a set during an invalidation leaves the new value or a miss, never the older value', async () => {
    await setAll('"old"');
    const invalidated = glob('k:*');
    await inBatches(keys, async (key) => {
      await store.set(tenant, key, '"new"', 100);
      expect([undefined, '"new"']).toContain((await store.get(tenant, key))?.value);
    });
    await invalidated;
    await inBatches(keys, async (key) => {
      expect([undefined, '"new"']).toContain((await store.get(tenant, key))?.value);
    });
  });

  test('a touch during an invalidation does not bring an entry back', async () => {
    await setAll('"old"');
    const invalidated = glob('k:*');
    await inBatches(keys, (key) => store.touch(tenant, key, 1000));
    await invalidated;
    await inBatches(keys, async (key) => {
      expect(await store.touch(tenant, key, 1000)).toBe(false);
      expect(await store.get(tenant, key)).toBeUndefined();
    });
  });

  test('concurrent touches and sets leave the value and a TTL of one of them', async () => {
    for (let round = 0; round < 50; round++) {
      await store.set(tenant, 'k', '"old"', 100);
      await Promise.all([store.touch(tenant, 'k', 1000), store.set(tenant, 'k', '"new"', 10)]);
      const hit = await store.get(tenant, 'k');
      expect(hit?.value).toBe('"new"');
      expect([leftOf(1000), leftOf(10)]).toContainEqual(hit?.ttl);
    }
  });

  test.each<[string, () => Promise<unknown>]>([
    ['an invalidation', () => glob('k:*')],
    ['an invalidation of everything', () => glob('*')],
    ['a clear', () => store.clear(tenant, soon())],
    ['a batch delete', () => store.deleteMany(tenant, leased)],
    ['an invalidation of a tag', () => store.invalidateTags(tenant, ['of the lease'], soon())],
  ])('fills during %s that follows their leases leave no value after it', async (_, remove) => {
    await setAll('"old"');
    await store.deleteMany(tenant, leased);
    const granted = await store.leaseMany(tenant, leased, 300, 1e6, { tags: ['of the lease'] });
    const tokens = granted.map(({ lease }) => lease?.token);
    expect(tokens).not.toContain(undefined);
    const removed = remove();
    const fill = (key: string, index: number) =>
      store.set(tenant, key, '"stale"', 100, { lease: tokens[index], tags: ['of the lease'] });
    await Promise.all(leased.map(fill));
    await removed;
    // Late fills, and those that are sent again.
    expect(await Promise.all(leased.map(fill))).not.toContain(true);
    for (const hit of await store.getMany(tenant, leased, 1e6)) expect(hit).toBeUndefined();
  });

  test('fills and sets of the same key at the same time leave the value of the set', async () => {
    for (let round = 0; round < 50; round++) {
      const { lease } = await store.lease(tenant, 'k', 300);
      await Promise.all([
        store.set(tenant, 'k', '"set"', 100),
        store.set(tenant, 'k', '"filled"', 100, { lease: lease?.token }),
      ]);
      expect(await store.get(tenant, 'k')).toMatchObject({ value: '"set"' });
      await store.delete(tenant, 'k');
    }
  });

  test('of many callers that ask, produce and fill at the same time, one produces each value', async () => {
    let produced = 0;
    const caller = async (key: string): Promise<string | undefined> => {
      for (;;) {
        const { hit, lease } = await store.lease(tenant, key, 300);
        if (hit) return hit.value;
        if (!lease) continue;
        produced++;
        expect(await store.set(tenant, key, `"${key}"`, 100, { lease: lease.token })).toBe(true);
      }
    };
    const callers = Array.from({ length: 100 }, (_, index) => `k:${index % 10}`);
    expect(await Promise.all(callers.map(caller))).toEqual(callers.map((key) => `"${key}"`));
    expect(produced).toBe(10);
  });

  test('a set after a clear is a hit', async () => {
    for (let round = 0; round < 20; round++) {
      await store.set(tenant, 'k', String(round), 100);
      await store.clear(tenant, soon());
      expect(await store.get(tenant, 'k')).toBeUndefined();
      await store.set(tenant, 'k', '"new"', 100);
      expect((await store.get(tenant, 'k'))?.value).toBe('"new"');
    }
  });

  test('concurrent invalidations and clears leave no entry', async () => {
    for (let round = 0; round < 5; round++) {
      await setAll('"old"');
      await Promise.all([glob('k:*'), glob('*1'), store.clear(tenant, soon()), glob('*')]);
      await inBatches(keys, async (key) => {
        expect(await store.get(tenant, key)).toBeUndefined();
      });
    }
  });
});
