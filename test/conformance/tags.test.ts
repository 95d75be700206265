import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { compileGlob } from '../../lib/store/glob.ts';
import type { CacheStore } from '../../lib/store/store.ts';
import { LARGE_VALUES, leftOf, newTenant, type OpenStore, soon } from './backends.ts';
import { everywhere } from './over-the-wire.ts';

/** Seconds. Long enough that no lease ends during a test on a busy machine. */
const LEASE = 300;

/** Tags that a faulty index, pattern or separator would confuse. */
const TAGS = [
  'a',
  'ab',
  'a:b',
  '*',
  '[a]',
  '\\',
  ' ',
  '{cache:x:0}',
  'é',
  '漢🔑',
  '-inf',
  '(a',
  '0',
  'x'.repeat(256),
];

describe.each(everywhere)('tags, $name', ({ open }) => {
  let opened: OpenStore;
  let store: CacheStore;
  let tenant: string;
  const glob = (pattern: string) => store.invalidate(tenant, compileGlob(pattern), soon());
  const untag = (...tags: string[]) => store.invalidateTags(tenant, tags, soon());
  const set = (key: string, tags?: string[], ttl = 100, graceSeconds = 0) =>
    store.set(tenant, key, `"${key}"`, ttl, { tags, graceSeconds });
  const present = async (...keys: string[]) => {
    const hits = await store.getMany(tenant, keys, 1e6);
    return keys.filter((_, index) => hits[index]);
  };

  beforeAll(async () => {
    opened = await open();
    store = opened.store;
  });
  afterAll(() => store.close());
  beforeEach(() => {
    tenant = newTenant();
  });

  test('an invalidation of a tag removes the entries that have it, and no others', async () => {
    await set('k:1', ['a', 'b']);
    await set('k:2', ['b']);
    await set('k:3', ['c']);
    await set('k:4');
    expect(await untag('b')).toEqual({ count: 2, complete: true });
    expect(await present('k:1', 'k:2', 'k:3', 'k:4')).toEqual(['k:3', 'k:4']);
    expect(await untag('b')).toEqual({ count: 0, complete: true });
    expect(await untag('never')).toEqual({ count: 0, complete: true });
  });

  test('an entry with several of the tags counts once', async () => {
    await set('k:1', ['a', 'b']);
    await set('k:2', ['b', 'c']);
    expect(await untag('a', 'b', 'c', 'a')).toEqual({ count: 2, complete: true });
  });

  test.each(TAGS)('the tag %j is taken literally', async (tag) => {
    await set('own', [tag]);
    await Promise.all(
      TAGS.filter((other) => other !== tag).map((other, index) => set(`other:${index}`, [other])),
    );
    expect(await untag(tag)).toEqual({ count: 1, complete: true });
    expect(await present('own')).toEqual([]);
    expect((await store.usage(tenant)).entries).toBe(TAGS.length - 1);
  });

  test('tags of different tenants are different tags', async () => {
    const other = newTenant();
    await set('k', ['a']);
    await store.set(other, 'k', '1', 100, { tags: ['a'] });
    expect(await untag('a')).toEqual({ count: 1, complete: true });
    expect(await store.get(other, 'k')).toBeDefined();
  });

  test('a value with tags is returned as it was set, compressed or not', async () => {
    for (const value of ['1.0', ...LARGE_VALUES]) {
      await store.set(tenant, 'k', value, 100, { tags: ['a', 'é'] });
      expect((await store.get(tenant, 'k'))?.value === value).toBe(true);
      expect((await store.lease(tenant, 'k', LEASE)).hit?.value === value).toBe(true);
      expect(await untag('é')).toEqual({ count: 1, complete: true });
    }
  });

  test('an entry that was set again without a tag, or with others, is not removed by its old tag', async () => {
    await set('k:1', ['a', 'b']);
    await set('k:2', ['a']);
    await set('k:1', ['b']);
    await set('k:2');
    expect(await untag('a')).toEqual({ count: 0, complete: true });
    expect(await present('k:1', 'k:2')).toEqual(['k:1', 'k:2']);
    expect(await untag('b')).toEqual({ count: 1, complete: true });
  });

  test('tags are not counted as entries, in usage, patterns, clears and deletes', async () => {
    for (let i = 0; i < 20; i++) await set(`k:${i}`, ['a', `b:${i}`, 'k:0']);
    await set('plain');
    expect((await store.usage(tenant)).entries).toBe(21);
    expect(await store.deleteMany(tenant, ['k:0', 'k:1'])).toBe(2);
    expect(await glob('k:*')).toEqual({ count: 18, complete: true });
    expect(await untag('a', 'k:0')).toEqual({ count: 0, complete: true });
    await set('k:1', ['a']);
    expect(await store.clear(tenant, soon())).toBe(2);
    expect(await untag('a')).toEqual({ count: 0, complete: true });
  });

  test('patterns match keys and not tags', async () => {
    await set('k', ['tag']);
    for (const pattern of ['tag', 'tag*', '*tag*', '?tag?k', '\x01*']) {
      expect(await glob(pattern), pattern).toEqual({ count: 0, complete: true });
    }
    expect(await untag('tag')).toEqual({ count: 1, complete: true });
    await set('k', ['tag']);
    expect(await glob('*k')).toEqual({ count: 1, complete: true });
  });

  test('a touch keeps the tags, for a longer and a shorter TTL', async () => {
    await set('longer', ['a'], 1);
    await store.touch(tenant, 'longer', 100);
    await set('shorter', ['a'], 1000);
    await store.touch(tenant, 'shorter', 50);
    await opened.pass(1100);
    expect((await store.get(tenant, 'longer'))?.ttl).toEqual(leftOf(99));
    expect(await untag('a')).toEqual({ count: 2, complete: true });
    expect(await present('longer', 'shorter')).toEqual([]);
  });

  test('an invalidation of a tag of a lease ends the lease: the fill is rejected', async () => {
    const { lease } = await store.lease(tenant, 'k', LEASE, ['a', 'b']);
    const other = await store.lease(tenant, 'other', LEASE, ['c']);
    expect(await untag('b')).toEqual({ count: 0, complete: true });
    const fill = (key: string, token?: string) =>
      store.set(tenant, key, '1', 100, { lease: token, tags: ['d'] });
    expect(await fill('k', lease?.token)).toBe(false);
    expect(await fill('other', other.lease?.token)).toBe(true);
    // The tags of the fill replace those of the lease.
    expect(await untag('c')).toEqual({ count: 0, complete: true });
    expect(await present('k', 'other')).toEqual(['other']);
    expect(await untag('d')).toEqual({ count: 1, complete: true });
  });

  test('a stale value is removed by its own tags, and the lease on it also ends by the tags of the lease', async () => {
    const stale = async () => {
      await set('k', ['own'], 1, 1000);
      await opened.pass(1100);
      const { hit, lease } = await store.lease(tenant, 'k', LEASE, ['added']);
      expect(hit?.value).toBe('"k"');
      return lease?.token;
    };
    for (const tag of ['own', 'added']) {
      const token = await stale();
      expect(await untag(tag), tag).toEqual({ count: 1, complete: true });
      expect(await store.set(tenant, 'k', '"new"', 100, { lease: token })).toBe(false);
      expect(await present('k')).toEqual([]);
    }
    const token = await stale();
    expect(await untag('another')).toEqual({ count: 0, complete: true });
    expect(await store.set(tenant, 'k', '"new"', 100, { lease: token })).toBe(true);
  });

  test('leases with other tags each time add no tags without end, and never harm the value', async () => {
    const long = (name: string) => Array.from({ length: 16 }, (_, i) => `${name}${i}`.padEnd(256, 'x'));
    await store.set(tenant, 'k', '"value"', 1, { graceSeconds: 1000, tags: long('own') });
    await opened.pass(1100);
    for (const name of ['first', 'second', 'third']) {
      const { hit, lease } = await store.lease(tenant, 'k', LEASE, long(name));
      expect([undefined, '"value"']).toContain(hit?.value);
      await store.release(tenant, 'k', lease?.token ?? '');
    }
    const { lease } = await store.lease(tenant, 'k', LEASE, long('fourth'));
    await untag(long('fourth')[15] as string);
    expect(await store.set(tenant, 'k', '"stale"', 100, { lease: lease?.token })).toBe(false);
  });

  test('a released lease leaves no tags', async () => {
    const { lease } = await store.lease(tenant, 'k', LEASE, ['a']);
    await store.release(tenant, 'k', lease?.token ?? '');
    await set('k');
    expect(await untag('a')).toEqual({ count: 0, complete: true });
    expect(await present('k')).toEqual(['k']);
  });

  test('an invalidation of a tag removes more entries than fit in a page', async () => {
    const keys = Array.from({ length: 30_000 }, (_, i) => `k:${i}`);
    const items = keys.map((key, index) => ({
      key,
      value: '1',
      ttlSeconds: 100,
      tags: index % 2 ? ['odd', 'all'] : ['all'],
    }));
    for (let at = 0; at < items.length; at += 100) await store.setMany(tenant, items.slice(at, at + 100));
    expect(await untag('odd')).toEqual({ count: 15_000, complete: true });
    expect(await present('k:0', 'k:1', 'k:2', 'k:29999')).toEqual(['k:0', 'k:2']);
    expect(await untag('all')).toEqual({ count: 15_000, complete: true });
    expect((await store.usage(tenant)).entries).toBe(0);
  });
});
