import { describe, expect, inject, test } from 'vitest';
import { MemoryStore } from '../../lib/store/memory.ts';
import type { CacheStore } from '../../lib/store/store.ts';
import { inBatches, newTenant, soon } from '../conformance/backends.ts';
import { openObserved } from './observed.ts';

// More than a page of memory reclamation, in either store.
const keys = Array.from({ length: 25_000 }, (_, i) => `k:${i}`);
const fresh = keys.filter((_, i) => i % 100 === 99);

async function setAll(store: CacheStore, tenant: string, names: string[], value: string): Promise<void> {
  await inBatches(names, (key) => store.set(tenant, key, value, 100));
}

async function expectOnlyFresh(store: CacheStore, tenant: string): Promise<void> {
  const values = new Map<string, string | undefined>();
  await inBatches(keys, async (key) => values.set(key, (await store.get(tenant, key))?.value));
  expect(keys.filter((key) => values.get(key) !== undefined)).toEqual(fresh);
  expect(fresh.filter((key) => values.get(key) !== '"new"')).toEqual([]);
}

describe('a set while the memory of a cleared tenant is reclaimed remains', () => {
  test.each(inject('targets'))('$name', async ({ url }) => {
    let clearing = false;
    let trips = 0;
    const store = await openObserved(url, { shards: 1 }, async () => {
      // The first round trip has made all entries unreadable. The second has read the first page of entries to reclaim.
      if (clearing && ++trips === 2) await setAll(store, tenant, fresh, '"new"');
    });
    const tenant = newTenant();
    await setAll(store, tenant, keys, '"old"');
    clearing = true;
    expect(await store.clear(tenant, soon())).toBe(keys.length);
    expect(trips).toBeGreaterThan(keys.length / 1000);
    await expectOnlyFresh(store, tenant);
    await store.close();
  });

  test('the memory store', async () => {
    const store = new MemoryStore({ memoryMaxBytes: 2 ** 30 });
    const tenant = newTenant();
    await setAll(store, tenant, keys, '"old"');
    const cleared = store.clear(tenant);
    expect(await store.get(tenant, 'k:0')).toBeUndefined();
    await setAll(store, tenant, fresh, '"new"');
    expect(await cleared).toBe(keys.length);
    await expectOnlyFresh(store, tenant);
  });
});
