import { createStorage, type Driver, prefixStorage } from 'unstorage';
import { describe, expect, test } from 'vitest';
import { cacheServiceDriver } from '../../lib/client/adapters/unstorage.ts';
import { CacheClient, ConnectionError } from '../../lib/client/index.ts';
import { leftOf } from '../conformance/backends.ts';
import { describeWithCaches, unreachableCache } from './caches.ts';

describeWithCaches('unstorage with cacheServiceDriver', (open) => {
  function start({ ttl }: { ttl?: number } = {}) {
    const cache = open();
    const driver: Driver = cacheServiceDriver({ cache, ttl });
    return { cache, driver, storage: createStorage({ driver }) };
  }

  test('an item is missing, is set, is replaced and is removed', async () => {
    const { storage } = start();
    expect([await storage.hasItem('a:b'), await storage.getItem('a:b')]).toEqual([false, null]);
    await storage.setItem('a:b', 'text');
    expect([await storage.hasItem('a:b'), await storage.getItem('a:b')]).toEqual([true, 'text']);
    await storage.setItem('a/b', 'other');
    expect(await storage.getItem('a:b')).toBe('other');
    await storage.removeItem('a:b');
    expect([await storage.hasItem('a:b'), await storage.getItem('a:b')]).toEqual([false, null]);
  });

  test.each([
    ['an object', { a: [1, null, { b: 'c' }] }],
    ['a number', 0],
    ['false', false],
    ['an empty text', ''],
    ['a text that looks like JSON', '{"a":'],
    ['null', null],
  ])('returns %s as it was set', async (_, value) => {
    const { storage } = start();
    await storage.setItem('k', value);
    expect(await storage.getItem('k')).toEqual(value);
  });

  test('a set of undefined removes the item', async () => {
    const { storage } = start();
    await storage.setItem('k', 1);
    await storage.setItem('k', undefined as never);
    expect(await storage.hasItem('k')).toBe(false);
  });

  test('bytes are returned as they were set', async () => {
    const { storage } = start();
    const bytes = new Uint8Array([0, 1, 127, 128, 255]);
    await storage.setItemRaw('bytes', bytes);
    expect(new Uint8Array((await storage.getItemRaw<Uint8Array>('bytes')) ?? [])).toEqual(bytes);
    expect(await storage.getItemRaw('absent')).toBeNull();
  });

  test('getItems returns values in order, and null for missing items', async () => {
    const { storage } = start();
    await storage.setItem('k1', 1);
    await storage.setItem('k2', { a: 2 });
    expect(await storage.getItems(['k2', 'absent', { key: 'k1' }])).toEqual([
      { key: 'k2', value: { a: 2 } },
      { key: 'absent', value: null },
      { key: 'k1', value: 1 },
    ]);
  });

  test('setItems sets more items than a request can carry, with the TTL of each or the common one', async () => {
    const { storage } = start();
    const items = Array.from({ length: 150 }, (_, index) => ({ key: `k${index}`, value: index }));
    await storage.setItems([...items, { key: 'own', value: -1, options: { ttl: 5000 } }], { ttl: 9000 });
    expect(await storage.getItems(items.map(({ key }) => key))).toEqual(items);
    expect(await storage.getMeta('own', { nativeOnly: true })).toEqual({ ttl: leftOf(5000) });
    expect(await storage.getMeta('k0', { nativeOnly: true })).toEqual({ ttl: leftOf(9000) });
  });

  test('getKeys returns the keys below a base, without those beside it, and without metadata', async () => {
    const { storage } = start();
    for (const key of ['s1:a', 's1:s2:b', 's1x:c', 's*:d', 'e']) await storage.setItem(key, 1);
    await storage.setMeta('s1:a', { note: 'x' });
    expect((await storage.getKeys()).sort()).toEqual(['e', 's*:d', 's1:a', 's1:s2:b', 's1x:c']);
    expect((await storage.getKeys('s1')).sort()).toEqual(['s1:a', 's1:s2:b']);
    expect(await storage.getKeys('s*')).toEqual(['s*:d']);
    expect(await storage.getKeys('s1', { maxDepth: 1 })).toEqual(['s1:a']);
    expect(await prefixStorage(storage, 's1').getKeys()).toEqual(['a', 's2:b']);
  });

  // A storage passes a base to the driver only where a mount is below that base.
  test('clear of the driver removes what is below a base, and without a base everything', async () => {
    const { storage, driver } = start();
    for (const key of ['s1:a', 's1:s2:b', 's1x:c', 's*:d']) await storage.setItem(key, 1);
    await driver.clear?.('s*:', {});
    expect((await storage.getKeys()).sort()).toEqual(['s1:a', 's1:s2:b', 's1x:c']);
    await driver.clear?.('s1:', {});
    expect(await storage.getKeys()).toEqual(['s1x:c']);
    await storage.clear();
    expect(await storage.getKeys()).toEqual([]);
  });

  test('metadata has the TTL and what was set with setMeta, and is removed with the item', async () => {
    const { storage } = start({ ttl: 7000 });
    const mtime = new Date(0);
    await storage.setItem('k', 'v', { ttl: 8000.5 });
    await storage.setMeta('k', { mtime, note: 'x' });
    expect(await storage.getMeta('k')).toEqual({ ttl: leftOf(8001), mtime, note: 'x' });
    expect(await storage.getMeta('absent')).toEqual({});
    await storage.removeItem('k', { removeMeta: true });
    expect(await storage.getMeta('k')).toEqual({});
  });

  test.each([
    ['without a TTL, with the TTL of the driver', undefined, leftOf(7000)],
    ['with 0, with the TTL of the driver', 0, leftOf(7000)],
    ['above the maximum, with the maximum', 1e9, leftOf(2_592_000)],
  ])('an item is set %s', async (_, ttl, expected) => {
    const { storage } = start({ ttl: 7000 });
    await storage.setItem('k', 'v', { ttl });
    expect(await storage.getMeta('k')).toEqual({ ttl: expected });
  });

  test('a key that is too long for the service works, is cleared by its base, and is not listed', async () => {
    const { storage, driver } = start();
    const [key, other] = [`base:${'x'.repeat(2000)}`, `base:${'x'.repeat(2001)}`];
    await storage.setItems([
      { key, value: 1 },
      { key: other, value: 2 },
    ]);
    expect(await storage.getItems([key, other])).toEqual([
      { key, value: 1 },
      { key: other, value: 2 },
    ]);
    expect(await storage.getKeys('base')).toEqual([]);
    await driver.clear?.('base:', {});
    expect([await storage.hasItem(key), await storage.hasItem(other)]).toEqual([false, false]);
  });

  test('mounts share a service, each with its own tenant', async () => {
    const { cache, storage } = start();
    const tenants = [cache.forTenant(`${cache.tenant}-1`), cache.forTenant(`${cache.tenant}-2`)];
    storage.mount('one', cacheServiceDriver({ cache: tenants[0] as CacheClient }));
    storage.mount('two', cacheServiceDriver({ cache: tenants[1] as CacheClient }));
    await storage.setItem('one:k', 1);
    await storage.setItem('two:k', 2);
    await storage.clear('one');
    expect(await storage.getKeys()).toEqual(['two:k']);
    expect(await tenants[1]?.get('k')).toMatchObject({ found: true, value: '2' });
  });
});

describe('cacheServiceDriver', () => {
  test('rejects with the error of the client if the service cannot be reached', async () => {
    const storage = createStorage({ driver: cacheServiceDriver({ cache: unreachableCache() }) });
    await expect(storage.getItem('k')).rejects.toThrow(ConnectionError);
    await expect(storage.setItem('k', 1)).rejects.toThrow(ConnectionError);
  });

  test.each([
    ['is too long', 'x'.repeat(257)],
    ['has control characters', 'a\nb'],
  ])('rejects to list and clear a base that %s', async (_, base) => {
    const driver = cacheServiceDriver({ cache: new CacheClient({ url: 'http://localhost', tenant: 't' }) });
    await expect(driver.getKeys(base)).rejects.toThrow('at most 256 characters');
    await expect(driver.clear(base)).rejects.toThrow('at most 256 characters');
  });
});
