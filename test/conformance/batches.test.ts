import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { compileGlob } from '../../lib/store/glob.ts';
import { ENTRY_OVERHEAD_BYTES } from '../../lib/store/memory/entries.ts';
import { MemoryStore } from '../../lib/store/memory/store.ts';
import type { CacheStore, Hit, Item } from '../../lib/store/store.ts';
import { backends, LARGE_VALUES, leftOf, newTenant, type OpenStore, soon } from './backends.ts';
import { everywhere } from './over-the-wire.ts';

const PLENTY = 64 * 1024 ** 2;
const keys = Array.from({ length: 100 }, (_, i) => `k:${i}`);
const items = (names: string[], ttlSeconds = 100): Item[] =>
  names.map((key) => ({ key, value: JSON.stringify(`of ${key}`), ttlSeconds }));
const hitOf = (value: string, ttl: number): Hit => ({
  value,
  bytes: Buffer.byteLength(value),
  ttl: leftOf(ttl),
});

describe.each(everywhere)('batches, $name', ({ open }) => {
  let opened: OpenStore;
  let store: CacheStore;
  let tenant: string;
  const getAll = (names: string[]) => store.getMany(tenant, names, PLENTY);
  const valuesOf = async (names: string[]) => (await getAll(names)).map((hit) => hit?.value);

  beforeAll(async () => {
    opened = await open();
    store = opened.store;
  });
  afterAll(() => store.close());
  beforeEach(() => {
    tenant = newTenant();
  });

  test('return hits and misses in the order of the keys, and a repeated key twice', async () => {
    await store.setMany(tenant, items(keys));
    const asked = [...keys.toReversed(), 'absent', 'k:7', 'absent', 'k:7'];
    expect(await getAll(asked)).toEqual(
      asked.map((key) => (key === 'absent' ? undefined : hitOf(`"of ${key}"`, 100))),
    );
  });

  test('and single operations read what the others have set', async () => {
    await store.setMany(tenant, items(keys));
    for (const key of keys) expect((await store.get(tenant, key))?.value).toBe(`"of ${key}"`);
    await store.set(tenant, 'alone', '1.0', 60);
    expect(await getAll(['alone'])).toEqual([hitOf('1.0', 60)]);
  });

  test('keep the text of every value, and the TTL of each item', async () => {
    const texts = ['1.0', '12345678901234567890', 'null', '""', '{ "a" : [ 1 ] }', '"é漢🎈"'];
    const set = [...texts, ...LARGE_VALUES].map((value, i) => ({ key: `v:${i}`, value, ttlSeconds: 10 + i }));
    await store.setMany(tenant, set);
    const found = await getAll(set.map(({ key }) => key));
    expect(found).toEqual(set.map(({ value, ttlSeconds }) => hitOf(value, ttlSeconds)));
    expect(await store.get(tenant, 'v:1')).toEqual(hitOf('12345678901234567890', 11));
  });

  test('set plain and tagged items, fills and large values of the same shards', async () => {
    const lease = async (key: string) => (await store.lease(tenant, key, 30)).lease?.token as string;
    const lost = await lease('lost');
    await store.delete(tenant, 'lost');
    const kinds = ['plain', 'tagged', 'filled', 'lost'];
    const set = kinds.flatMap((kind) =>
      ['1.0', ...LARGE_VALUES].map((value, i) => ({
        key: `${kind}:${i}`,
        value,
        ttlSeconds: 100,
        tags: kind === 'tagged' ? ['t'] : [],
      })),
    );
    const given = await Promise.all(
      set.map(async (item) => {
        if (item.key.startsWith('filled')) return { ...item, lease: await lease(item.key) };
        return item.key.startsWith('lost') ? { ...item, lease: lost } : item;
      }),
    );
    const wasSet = set.map(({ key }) => !key.startsWith('lost'));
    expect(await store.setMany(tenant, given)).toEqual(wasSet);
    const found = await getAll(set.map(({ key }) => key));
    expect(found).toEqual(set.map(({ value }, i) => (wasSet[i] ? hitOf(value, 100) : undefined)));
    expect(await store.invalidateTags(tenant, ['t'], soon())).toEqual({ count: 3, complete: true });
  });

  test('expire each entry after its own TTL', async () => {
    await store.setMany(tenant, [...items(keys.slice(0, 50), 1), ...items(keys.slice(50), 100)]);
    await opened.pass(1100);
    expect(await valuesOf(keys)).toEqual(keys.map((key, i) => (i < 50 ? undefined : `"of ${key}"`)));
    expect(await store.deleteMany(tenant, keys)).toBe(50);
  });

  test('keep the last of two items with the same key', async () => {
    const twice = [
      ...items(keys),
      { key: 'k:3', value: '"second"', ttlSeconds: 50 },
      { key: 'k:3', value: '"third"', ttlSeconds: 20 },
    ];
    await store.setMany(tenant, twice);
    expect(await store.get(tenant, 'k:3')).toEqual(hitOf('"third"', 20));
    expect(await store.clear(tenant, soon())).toBe(100);
  });

  test('replace existing entries', async () => {
    await store.setMany(tenant, items(keys, 1000));
    await store.setMany(
      tenant,
      keys.map((key) => ({ key, value: '2', ttlSeconds: 10 })),
    );
    expect(await getAll(keys)).toEqual(keys.map(() => hitOf('2', 10)));
  });

  test('delete the given keys, and count each live entry once', async () => {
    await store.setMany(tenant, items([...keys, 'other']));
    expect(await store.deleteMany(tenant, ['k:1', 'k:1', 'absent', 'k:2', 'k:1'])).toBe(2);
    expect(await store.deleteMany(tenant, keys)).toBe(98);
    expect(await store.deleteMany(tenant, keys)).toBe(0);
    expect(await valuesOf([...keys, 'other'])).toEqual([...keys.map(() => undefined), '"of other"']);
  });

  test('set entries that an invalidation and a clear remove', async () => {
    await store.setMany(tenant, items(keys));
    expect(await store.invalidate(tenant, compileGlob('k:?'), soon())).toEqual({ count: 10, complete: true });
    expect((await getAll(keys)).filter((hit) => hit)).toHaveLength(90);
    expect(await store.clear(tenant, soon())).toBe(90);
    expect((await getAll(keys)).filter((hit) => hit)).toEqual([]);
  });

  test('of one tenant do not affect another', async () => {
    const other = newTenant();
    await store.setMany(tenant, items(keys));
    expect(await store.getMany(other, keys, PLENTY)).toEqual(keys.map(() => undefined));
    expect(await store.deleteMany(other, keys)).toBe(0);
    expect(await store.deleteMany(tenant, keys)).toBe(100);
  });

  test('without keys or items do nothing', async () => {
    await store.setMany(tenant, []);
    expect(await getAll([])).toEqual([]);
    expect(await store.deleteMany(tenant, [])).toBe(0);
  });
});

describe.each(backends)('a batch of gets with a bound on its bytes, $name', ({ open }) => {
  test.each([
    ['three values fit to the byte', 30, 3],
    ['the third would be a byte too much', 29, 2],
    ['nothing fits: the first value comes all the same', 1, 1],
  ])('ends before the value that would exceed the bound: %s', async (_, maxBytes, values) => {
    const { store } = await open();
    const tenant = newTenant();
    const ten = '"12345678"';
    await store.setMany(
      tenant,
      keys.map((key) => ({ key, value: ten, ttlSeconds: 60 })),
    );
    // Misses do not count towards the bound.
    const found = await store.getMany(tenant, ['absent', ...keys.slice(0, 5)], maxBytes);
    expect(found.map((hit) => hit?.value)).toEqual([undefined, ...Array(values).fill(ten)]);
    await store.close();
  });
});

describe.each(backends)('batches with leases, $name', ({ open }) => {
  let opened: OpenStore;
  let store: CacheStore;
  let tenant: string;

  beforeAll(async () => {
    opened = await open();
    store = opened.store;
  });
  afterAll(() => store.close());
  beforeEach(() => {
    tenant = newTenant();
  });

  test('stale values do not count towards the bound of a batch of gets, but towards that of lease requests', async () => {
    const few = keys.slice(0, 3);
    const value = JSON.stringify('x'.repeat(1000));
    await store.setMany(
      tenant,
      few.map((key) => ({ key, value, ttlSeconds: 1, graceSeconds: 1000 })),
    );
    await opened.pass(1100);
    expect(await store.getMany(tenant, few, 1500)).toEqual([undefined, undefined, undefined]);
    expect(await store.leaseMany(tenant, few, 300, 1500)).toHaveLength(1);
    // No lease was granted, because the result was cut.
    const [first] = await store.leaseMany(tenant, few, 300, PLENTY);
    expect(first?.lease).toBeDefined();
  });

  test('items with the same key are applied one after the other', async () => {
    const item = (value: string, lease?: string): Item => ({ key: 'k', value, ttlSeconds: 100, lease });
    const setBoth = async (first: (token?: string) => Item, second: (token?: string) => Item) => {
      await store.delete(tenant, 'k');
      const { lease } = await store.lease(tenant, 'k', 300);
      const results = await store.setMany(tenant, [first(lease?.token), second(lease?.token)]);
      return [...results, (await store.get(tenant, 'k'))?.value];
    };
    const [plain, filled] = [() => item('1'), (token?: string) => item('2', token)];
    // The set ends the lease; a set after the fill replaces it; a second fill with the lease is a repetition.
    expect(await setBoth(plain, filled)).toEqual([true, false, '1']);
    expect(await setBoth(filled, plain)).toEqual([true, true, '1']);
    expect(await setBoth(filled, (token) => item('3', token))).toEqual([true, true, '2']);
  });
});

test.each<[string, (store: CacheStore) => Promise<unknown>]>([
  ['a get', (store) => store.get('t', 'a')],
  ['a batch of gets', (store) => store.getMany('t', ['a'], PLENTY)],
])('%s counts as a use, so the memory store evicts another entry', async (_, use) => {
  // Memory for three entries with a value of one character, and not for a fourth.
  const store = new MemoryStore({ memoryMaxBytes: 3 * (ENTRY_OVERHEAD_BYTES + 3) + 100 });
  for (const key of ['a', 'b', 'c']) await store.set('t', key, '1', 60);
  await use(store);
  await store.set('t', 'd', '1', 60);
  const found = await store.getMany('t', ['a', 'b', 'c', 'd'], PLENTY);
  expect(found.map((hit) => hit !== undefined)).toEqual([true, false, true, true]);
});
