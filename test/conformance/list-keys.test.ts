import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { compileGlob } from '../../lib/store/glob.ts';
import type { CacheStore, ListedKey } from '../../lib/store/store.ts';
import { leftOf, newTenant, type OpenStore, setMany, soon } from './backends.ts';
import { everywhere } from './over-the-wire.ts';

describe.each(everywhere)('a list of keys, $name', ({ open }) => {
  let opened: OpenStore;
  let store: CacheStore;
  let tenant: string;

  /** All pages of a walk. */
  async function walk(
    pattern: string,
    limit: number,
    tag?: string,
    betweenPages: (page: number) => Promise<unknown> = async () => {},
  ): Promise<ListedKey[]> {
    const listed: ListedKey[] = [];
    let after: string | undefined;
    for (let page = 1; ; page++) {
      const { keys, next } = await store.listKeys(
        tenant,
        { pattern: compileGlob(pattern), tag, after, limit },
        soon(),
      );
      expect(keys.length).toBeLessThanOrEqual(limit);
      listed.push(...keys);
      if (next === undefined) return listed;
      after = next;
      await betweenPages(page);
    }
  }
  const keysOf = (listed: ListedKey[]) => listed.map(({ key }) => key);
  const inByteOrder = (keys: string[]) =>
    keys
      .map((key) => Buffer.from(key))
      .sort(Buffer.compare)
      .map(String);

  beforeAll(async () => {
    opened = await open();
    store = opened.store;
  });
  afterAll(() => store.close());
  beforeEach(() => {
    tenant = newTenant();
  });

  test('is empty for a tenant without entries', async () => {
    expect(await walk('*', 10)).toEqual([]);
    expect(await walk('*', 10, 'tag')).toEqual([]);
  });

  test('has every key once, in the order of bytes, with its TTL and its tags', async () => {
    const keys = [
      'b',
      'a',
      'é',
      '漢',
      '\u{1f511}',
      '\uffff',
      ' ',
      '~',
      'a:1',
      'a:10',
      'a:2',
      '*',
      '[a]',
      '\\',
      '{x}',
    ];
    for (const key of keys)
      await store.set(tenant, key, '1', 100, { tags: key.length > 1 ? ['long', key] : [] });
    for (const limit of [1, 2, 7, 15, 16, 1000]) {
      expect(keysOf(await walk('*', limit)), `pages of ${limit}`).toEqual(inByteOrder(keys));
    }
    const listed = new Map((await walk('*', 1000)).map((each) => [each.key, each]));
    expect(listed.get('a')).toEqual({ key: 'a', ttl: leftOf(100), tags: [] });
    expect(listed.get('a:1')).toEqual({ key: 'a:1', ttl: leftOf(100), tags: ['long', 'a:1'] });
  });

  test('has only the keys that match the pattern and have the tag', async () => {
    for (let i = 0; i < 60; i++) {
      await store.set(tenant, `${i % 3 ? 'k' : 'l'}:${i}`, '1', 100, {
        tags: i % 2 ? ['odd'] : ['even', 'odder'],
      });
    }
    const expected = (prefix: string, step: (i: number) => boolean) =>
      inByteOrder(
        Array.from({ length: 60 }, (_, i) => i)
          .filter((i) => step(i) && (i % 3 ? 'k' : 'l') === prefix)
          .map((i) => `${prefix}:${i}`),
      );
    for (const limit of [1, 5, 1000]) {
      expect(keysOf(await walk('l:*', limit))).toEqual(expected('l', () => true));
      expect(keysOf(await walk('l*', limit, 'odd'))).toEqual(expected('l', (i) => i % 2 === 1));
      expect(keysOf(await walk('*:?', limit, 'even'))).toEqual([
        ...expected('k', (i) => i < 10 && i % 2 === 0),
        ...expected('l', (i) => i < 10 && i % 2 === 0),
      ]);
      expect(keysOf(await walk('l:9', limit))).toEqual(['l:9']);
      expect(keysOf(await walk('none*', limit))).toEqual([]);
    }
  });

  test('has neither removed, expired nor leased keys, and has stale ones with a TTL of 0', async () => {
    await store.set(tenant, 'kept', '1', 100);
    await store.set(tenant, 'deleted', '1', 100);
    await store.delete(tenant, 'deleted');
    await store.set(tenant, 'expired', '1', 1);
    await store.set(tenant, 'stale', '1', 1, { graceSeconds: 100, tags: ['a'] });
    await store.lease(tenant, 'leased', 300, ['a']);
    await store.set(tenant, 'retagged', '1', 100, { tags: ['a'] });
    await store.set(tenant, 'retagged', '1', 100, { tags: ['b'] });
    await opened.pass(1100);
    expect(await walk('*', 2)).toMatchObject([
      { key: 'kept' },
      { key: 'retagged', tags: ['b'] },
      { key: 'stale', ttl: 0, tags: ['a'] },
    ]);
    expect(keysOf(await walk('*', 2, 'a'))).toEqual(['stale']);
  });

  test('has the keys of one tenant only', async () => {
    await store.set(newTenant(), 'other', '1', 100, { tags: ['a'] });
    await store.set(tenant, 'own', '1', 100, { tags: ['a'] });
    expect(keysOf(await walk('*', 10))).toEqual(['own']);
    expect(keysOf(await walk('*', 10, 'a'))).toEqual(['own']);
  });

  test('has each key that exists throughout a walk exactly once, whatever is set and removed meanwhile', async () => {
    const stable = Array.from({ length: 500 }, (_, i) => `k:${String(i).padStart(4, '0')}`);
    await setMany(store, tenant, stable, '1');
    const listed = await walk('*', 37, undefined, async (page) => {
      await store.setMany(
        tenant,
        Array.from({ length: 40 }, (_, i) => ({
          key: `k:${String((i * 13) % 500).padStart(4, '0')}x${page}`,
          value: '1',
          ttlSeconds: 100,
        })),
      );
      await store.set(tenant, stable[(page * 31) % 500] as string, '"again"', 100);
      await store.invalidate(tenant, compileGlob(`*x${page - 1}`), soon());
    });
    const keys = keysOf(listed);
    expect(keys).toEqual(inByteOrder(keys));
    expect(new Set(keys).size).toBe(keys.length);
    expect(keys.filter((key) => !key.includes('x'))).toEqual(stable);
  });

  test('continues after what it has read when time runs out, also if nothing has matched so far', async () => {
    const keys = Array.from({ length: 3000 }, (_, i) => `k:${String(i).padStart(4, '0')}`);
    await setMany(store, tenant, keys, '1');
    const found: string[] = [];
    let after: string | undefined;
    let pages = 0;
    do {
      const filter = { pattern: compileGlob('*999'), after, limit: 5 };
      const page = await store.listKeys(tenant, filter, Date.now() - 1);
      found.push(...keysOf(page.keys));
      if (page.next !== undefined && after !== undefined) expect(page.next > after).toBe(true);
      after = page.next;
    } while (after !== undefined && ++pages < 3000);
    expect(found).toEqual(['k:0999', 'k:1999', 'k:2999']);
  });

  test('of many keys of which few match stays within the pattern', async () => {
    const keys = Array.from({ length: 3000 }, (_, i) => `k:${i}`);
    await setMany(store, tenant, keys, '1');
    const expected = inByteOrder(keys.filter((key) => key.endsWith('77')));
    expect(keysOf(await walk('k:*77', 5))).toEqual(expected);
  });
});
