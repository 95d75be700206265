import { describe, expect, inject, test } from 'vitest';
import { MemoryStore } from '../../lib/store/memory/store.ts';
import type { CacheStore } from '../../lib/store/store.ts';
import { getPresent, inBatches, newTenant, setMany, soon } from '../conformance/backends.ts';
import { openObserved } from './observed.ts';

// More than a page of memory reclamation, in either store.
const keys = Array.from({ length: 25_000 }, (_, i) => `k:${i}`);
const fresh = keys.filter((_, i) => i % 100 === 99);

function setFresh(store: CacheStore, tenant: string): Promise<void> {
  return inBatches(fresh, (key) => store.set(tenant, key, '"new"', 100));
}

async function expectOnlyFresh(store: CacheStore, tenant: string): Promise<void> {
  const values = await getPresent(store, tenant, keys);
  expect([...values.keys()]).toEqual(fresh);
  expect(new Set(values.values())).toEqual(new Set(['"new"']));
}

describe('a set while the memory of a cleared tenant is reclaimed remains', () => {
  test.each(inject('targets'))('$name', async ({ url }) => {
    let clearing = false;
    let trips = 0;
    const store = await openObserved(url, { shards: 1 }, async () => {
      // The first round trip has made all entries unreadable. The second has read the first page of entries to reclaim.
      if (clearing && ++trips === 2) await setFresh(store, tenant);
    });
    const tenant = newTenant();
    await setMany(store, tenant, keys, '"old"');
    clearing = true;
    expect(await store.clear(tenant, soon())).toBe(keys.length);
    expect(trips).toBeGreaterThan(keys.length / 1000);
    await expectOnlyFresh(store, tenant);
    await store.close();
  });

  test('the memory store', async () => {
    const store = new MemoryStore({ memoryMaxBytes: 2 ** 30 });
    const tenant = newTenant();
    await setMany(store, tenant, keys, '"old"');
    const cleared = store.clear(tenant);
    expect(await store.get(tenant, 'k:0')).toBeUndefined();
    await setFresh(store, tenant);
    expect(await cleared).toBe(keys.length);
    await expectOnlyFresh(store, tenant);
  });
});
