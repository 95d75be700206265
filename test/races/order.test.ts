import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { compileGlob } from '../../lib/store/glob.ts';
import type { CacheStore } from '../../lib/store/store.ts';
import { backends, inBatches, newTenant, setMany, soon } from '../conformance/backends.ts';

describe.each(backends)('operations that race, $name', ({ open }) => {
  let store: CacheStore;
  let tenant: string;
  const glob = (pattern: string) => store.invalidate(tenant, compileGlob(pattern), soon());
  const keys = Array.from({ length: 2000 }, (_, i) => `k:${i}`);
  const setAll = (value: string) => setMany(store, tenant, keys, value);

  beforeAll(async () => {
    ({ store } = await open());
  });
  afterAll(() => store.close());
  beforeEach(() => {
    tenant = newTenant();
  });

  test('a set that was answered before an invalidation is a miss after it', async () => {
    for (let round = 0; round < 50; round++) {
      await store.set(tenant, 'k:1', String(round), 100);
      await glob(round % 2 ? 'k:*' : '*:1');
      expect(await store.get(tenant, 'k:1')).toBeUndefined();
    }
  });

  test('a set during an invalidation leaves the new value or none, never the older one', async () => {
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

  test('a set after a clear was answered is a hit', async () => {
    for (let round = 0; round < 20; round++) {
      await store.set(tenant, 'k', String(round), 100);
      await store.clear(tenant, soon());
      expect(await store.get(tenant, 'k')).toBeUndefined();
      await store.set(tenant, 'k', '"new"', 100);
      expect((await store.get(tenant, 'k'))?.value).toBe('"new"');
    }
  });

  test('invalidations and clears side by side leave nothing', async () => {
    for (let round = 0; round < 5; round++) {
      await setAll('"old"');
      await Promise.all([glob('k:*'), glob('*1'), store.clear(tenant, soon()), glob('*')]);
      await inBatches(keys, async (key) => {
        expect(await store.get(tenant, key)).toBeUndefined();
      });
    }
  });
});
