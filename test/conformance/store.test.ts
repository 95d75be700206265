import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { compileGlob } from '../../lib/store/glob.ts';
import type { CacheStore } from '../../lib/store/store.ts';
import {
  backends,
  getPresent,
  inBatches,
  LARGE_VALUES,
  leftOf,
  newTenant,
  type OpenStore,
  setMany,
  soon,
} from './backends.ts';
import { everywhere } from './over-the-wire.ts';

const VALUES = {
  'a number with a fraction of nothing': '1.0',
  'more digits than a double holds': '12345678901234567890',
  'a negative zero': '-0.0',
  'a number beyond a double': '1e400',
  null: 'null',
  'an empty string': '""',
  escapes: String.raw`"\u00e9\/\ud800\n"`,
  'any script': '"日本語 العربية 🎈 ñ"',
  'an object with a name twice': '{"a":1,"a":2}',
  'white space inside': '{ "a" : [ 1 ,\n 2 ] }',
  'deep nesting': '['.repeat(100_000) + ']'.repeat(100_000),
  'a long compressible text': JSON.stringify('lorem ipsum '.repeat(100_000)),
  'a text that does not become much smaller': LARGE_VALUES[1] as string,
  'a long text of all planes': JSON.stringify('a\u00e9\u6f22\u{1f388}'.repeat(50_000)),
};

/** Keys that a faulty keyspace, protocol or path would confuse or reject. */
const KEYS = [
  'user:1', 'user:10', 'user', 'USER:1', ' user:1', 'user:1 ', 'a/b', 'a//b', '..', '%2F', '%', 'a?b', '*', '[a]', '\\',
  '{a}', '{', '}', '{cache:x:0}:gen', ':gen', ':e:', '__proto__', 'constructor', 'é', 'e\u0301', '日本', '\u{10ffff}',
  '\uffff', "'\"", '0', '-inf', '(a', '+', 'x'.repeat(1024),
]; // biome-ignore format: a list to look at as a whole

describe.each(everywhere)('a store, $name', ({ open }) => {
  let opened: OpenStore;
  let store: CacheStore;
  let tenant: string;
  const glob = (pattern: string) => store.invalidate(tenant, compileGlob(pattern), soon());
  const setAll = async (keys: string[]) => {
    if (keys.length < 100) await inBatches(keys, (key) => store.set(tenant, key, JSON.stringify(key), 100));
    else await setMany(store, tenant, keys, '"one of many"');
  };
  const present = async (keys: string[]) => [...(await getPresent(store, tenant, keys)).keys()];

  beforeAll(async () => {
    opened = await open();
    store = opened.store;
  });
  afterAll(() => store.close());
  beforeEach(() => {
    tenant = newTenant();
  });

  test('returns a miss for a key that was never set', async () => {
    expect(await store.get(tenant, 'k')).toBeUndefined();
    expect(await store.delete(tenant, 'k')).toBe(false);
    expect(await glob('*')).toEqual({ count: 0, complete: true });
    expect(await glob('k*')).toEqual({ count: 0, complete: true });
    expect(await store.clear(tenant, soon())).toBe(0);
  });

  test.each(Object.entries(VALUES))('returns %s as it was set', async (_, text) => {
    await store.set(tenant, 'k', text, 60);
    const hit = await store.get(tenant, 'k');
    // A failed toBe on the texts would print a megabyte.
    expect(hit?.value === text).toBe(true);
  });

  test('returns the TTL in whole seconds, rounded up, and never more than was set', async () => {
    const begun = opened.now();
    await store.set(tenant, 'k', '1', 60);
    const ttl = async () => (await store.get(tenant, 'k'))?.ttl;
    /** Lower bound from the time since before the set. The 25 ms are for clocks that are read in whole milliseconds. */
    const least = () => Math.ceil(60 - (opened.now() - begun + 25) / 1000);
    const first = await ttl();
    expect(first).toBeLessThanOrEqual(60);
    expect(first).toBeGreaterThanOrEqual(least());
    await opened.pass(1100);
    const second = await ttl();
    expect(second).toBeLessThanOrEqual(59);
    expect(second).toBeGreaterThanOrEqual(least());
  });

  test('replaces the value and the TTL of an existing entry', async () => {
    await store.set(tenant, 'k', '"long lived"', 1000);
    // Long enough that the entry does not expire on a busy machine.
    await store.set(tenant, 'k', '"short lived"', 10);
    expect(await store.get(tenant, 'k')).toEqual({ value: '"short lived"', bytes: 13, ttl: leftOf(10) });
    await store.set(tenant, 'k', '"expires"', 1);
    await opened.pass(1100);
    expect(await store.get(tenant, 'k')).toBeUndefined();
    await store.set(tenant, 'k', '"again"', 1000);
    expect(await store.get(tenant, 'k')).toEqual({ value: '"again"', bytes: 7, ttl: leftOf(1000) });
  });

  test('touches an entry: its TTL becomes longer or shorter, and its value stays', async () => {
    await store.set(tenant, 'k', '"long lived"', 100);
    expect(await store.touch(tenant, 'k', 1000)).toBe(true);
    expect(await store.get(tenant, 'k')).toEqual({ value: '"long lived"', bytes: 12, ttl: leftOf(1000) });
    expect(await store.touch(tenant, 'k', 10)).toBe(true);
    expect(await store.get(tenant, 'k')).toEqual({ value: '"long lived"', bytes: 12, ttl: leftOf(10) });
    expect(await store.touch(tenant, 'k', 1)).toBe(true);
    await opened.pass(1100);
    expect(await store.get(tenant, 'k')).toBeUndefined();
  });

  test('keeps a touched entry beyond the TTL that it was set with', async () => {
    const key = 'k'.repeat(1024);
    const text = JSON.stringify('lorem ipsum '.repeat(10_000));
    await store.set(tenant, key, text, 2);
    expect(await store.touch(tenant, key, 100)).toBe(true);
    await opened.pass(2200);
    expect((await store.get(tenant, key))?.value === text).toBe(true);
    expect(await glob('k*')).toEqual({ count: 1, complete: true });
    expect(await store.get(tenant, key)).toBeUndefined();
  });

  test.each<[string, () => Promise<unknown>]>([
    ['deleted', () => store.delete(tenant, 'k')],
    ['invalidated', () => glob('k*')],
    ['cleared', () => store.clear(tenant, soon())],
    ['expired', () => opened.pass(1100)],
  ])('does not bring back an entry that is touched after it was %s', async (_, remove) => {
    await store.set(tenant, 'k', '1', 1);
    await store.set(tenant, 'other', '1', 100);
    await remove();
    expect(await store.touch(tenant, 'k', 100)).toBe(false);
    expect(await store.get(tenant, 'k')).toBeUndefined();
  });

  test('touches neither a key that was never set nor an entry of another tenant', async () => {
    await store.set(tenant, 'k', '1', 100);
    expect(await store.touch(tenant, 'kk', 1000)).toBe(false);
    expect(await store.touch(newTenant(), 'k', 1000)).toBe(false);
    expect(await store.get(tenant, 'k')).toEqual({ value: '1', bytes: 1, ttl: leftOf(100) });
  });

  test('does not count expired entries', async () => {
    await Promise.all(['a:1', 'a:2', 'b:1', 'c'].map((key) => store.set(tenant, key, '1', 1)));
    await setAll(['a:live', 'b:live']);
    await opened.pass(1100);
    expect(await store.delete(tenant, 'c')).toBe(false);
    expect(await glob('a:*')).toEqual({ count: 1, complete: true });
    expect(await glob('*')).toEqual({ count: 1, complete: true });
  });

  test('keeps keys with special characters apart', async () => {
    await setAll(KEYS);
    for (const key of KEYS) expect((await store.get(tenant, key))?.value).toBe(JSON.stringify(key));
    for (const key of KEYS) {
      expect(await store.delete(tenant, key)).toBe(true);
      expect(await store.get(tenant, key)).toBeUndefined();
      expect(await store.delete(tenant, key)).toBe(false);
    }
  });

  test.each([
    ['user:*', ['user:1', 'user:10', 'user:', 'user:\u{10ffff}'], ['user', 'xuser:1', 'USER:1']],
    ['*:1', ['user:1', ':1'], ['user:10', '1']],
    ['user:?', ['user:1', 'user:*'], ['user:', 'user:10']],
    ['user:[12]', ['user:1', 'user:2'], ['user:3', 'user:12']],
    ['user:[^12]*', ['user:3', 'user:31'], ['user:1', 'user:']],
    ['user:[3-1]', ['user:1', 'user:2', 'user:3'], ['user:4']],
    [String.raw`a\*b`, ['a*b'], ['axb', 'ab']],
    [String.raw`a\[1]*`, ['a[1]', 'a[1]x'], ['a1']],
    ['a*b*c', ['abc', 'a-b-c', 'abcbc'], ['acb', 'ab']],
    ['日*', ['日', '日本'], ['本日', '\u65e4']],
    ['\u{10ffff}*', ['\u{10ffff}', '\u{10ffff}x'], ['\u{10fffe}']],
    ['k', ['k'], ['kk', 'K']],
    ['**', ['a', 'b*'], []],
  ])('invalidates by %s exactly what matches', async (pattern, matching, others) => {
    await setAll([...matching, ...others]);
    expect(await glob(pattern)).toEqual({ count: matching.length, complete: true });
    expect(await present([...matching, ...others])).toEqual(others);
    expect(await glob(pattern)).toEqual({ count: 0, complete: true });
    await setAll(matching);
    expect(await present(matching)).toEqual(matching);
  });

  test.each(['\0*', '\0?*', '\0[^a]*', '[\0]*', '\x01*'])(
    'invalidates nothing by %j, which no key can match, and keeps all entries',
    async (pattern) => {
      const keys = Array.from({ length: 40 }, (_, i) => `k:${i}`);
      await setAll(keys);
      expect(await glob(pattern)).toEqual({ count: 0, complete: true });
      // A set checks whether its shard's meta keys are complete.
      await setAll(keys.map((key) => `other:${key}`));
      expect(await present(keys)).toEqual(keys);
    },
  );

  test('invalidates more entries than fit in a page', async () => {
    const keys = Array.from({ length: 6000 }, (_, i) => `k:${i}`);
    await setAll([...keys, 'k', 'l:1']);
    expect(await glob('k:*5')).toEqual({ count: 600, complete: true });
    expect(await glob('k:*')).toEqual({ count: 5400, complete: true });
    expect(await present([...keys, 'k', 'l:1'])).toEqual(['k', 'l:1']);
  });

  test('clears a tenant, and returns the number of removed entries', async () => {
    const keys = Array.from({ length: 3000 }, (_, i) => `k:${i}`);
    await setAll(keys);
    expect(await store.clear(tenant, soon())).toBe(3000);
    expect(await present(keys)).toEqual([]);
    await store.set(tenant, 'k:1', '"new"', 60);
    expect(await store.get(tenant, 'k:1')).toEqual({ value: '"new"', bytes: 5, ttl: leftOf(60) });
    expect(await store.clear(tenant, soon())).toBe(1);
  });

  test('clears at once if no time is left to reclaim memory', async () => {
    const keys = Array.from({ length: 3000 }, (_, i) => `k:${i}`);
    await setAll(keys);
    expect(await store.clear(tenant, 0)).toBe(3000);
    expect(await present(keys)).toEqual([]);
    await setAll(['k:1', 'k:2']);
    expect(await present(keys)).toEqual(['k:1', 'k:2']);
    expect(await glob('k:*')).toEqual({ count: 2, complete: true });
    // Entries that still take memory were removed by the clear and are not counted again.
    await setAll(['k:1', ...keys.map((key) => `l:${key}`)]);
    expect(await glob('k:2')).toEqual({ count: 0, complete: true });
    expect(await store.deleteMany(tenant, keys)).toBe(1);
  });

  test('does not affect other tenants', async () => {
    const other = `${tenant}.x`;
    await setAll(['a', 'b']);
    await store.set(other, 'a', '"other"', 60);
    expect((await store.get(tenant, 'a'))?.value).toBe('"a"');
    expect(await store.delete(other, 'b')).toBe(false);
    expect(await store.invalidate(other, compileGlob('?'), soon())).toEqual({ count: 1, complete: true });
    expect(await store.clear(other, soon())).toBe(0);
    expect(await present(['a', 'b'])).toEqual(['a', 'b']);
  });

  test("returns a tenant's usage, to the byte if the sample contains all entries", async () => {
    expect(await store.usage(tenant)).toEqual({ entries: 0, bytes: 0, sampled: 0, missing: 0 });
    const overhead = await overheadOf(store, `${tenant}.other`);
    const items = Array.from({ length: 100 }, (_, i) => ({ key: `k:${i}`, value: `"${'é'.repeat(i)}"` }));
    await store.setMany(
      tenant,
      items.map((item) => ({ ...item, ttlSeconds: 100 })),
    );
    const bytes = items.reduce((sum, { value }) => sum + overhead + Buffer.byteLength(value), 0);
    expect(await store.usage(tenant)).toEqual({ entries: 100, bytes, sampled: 100, missing: 0 });
    await glob('k:9*');
    expect(await store.usage(tenant)).toMatchObject({ entries: 89, sampled: 89, missing: 0 });
    await store.clear(tenant, soon());
    expect(await store.usage(tenant)).toEqual({ entries: 0, bytes: 0, sampled: 0, missing: 0 });
  });

  test('counts all entries of a large tenant, and estimates their bytes', async () => {
    const overhead = await overheadOf(store, `${tenant}.other`);
    const keys = Array.from({ length: 6000 }, (_, i) => `k:${i}`);
    // One value in three has a thousand bytes, the others have a hundred.
    const value = (i: number) => `"${'x'.repeat(i % 3 === 0 ? 998 : 98)}"`;
    const ttl = (i: number) => 100 + (i % 50);
    await inBatches([...keys.keys()], (i) => store.set(tenant, keys[i] as string, value(i), ttl(i)));
    const usage = await store.usage(tenant);
    expect(usage).toMatchObject({ entries: 6000, missing: 0 });
    expect(usage.sampled).toBeGreaterThanOrEqual(256);
    const mean = usage.bytes / 6000 - overhead;
    // With a sample of 256, the standard error of the mean of 400 is 27. The tolerance is seven times that.
    expect(mean).toBeGreaterThan(400 - 190);
    expect(mean).toBeLessThan(400 + 190);
  });

  test('counts only the live entries among many expired ones', async () => {
    const keys = Array.from({ length: 2000 }, (_, i) => `short:${i}`);
    const items = keys.map((key) => ({ key, value: '1', ttlSeconds: 1 }));
    for (let at = 0; at < items.length; at += 100) await store.setMany(tenant, items.slice(at, at + 100));
    await setAll(['long:1', 'long:2', 'long:3']);
    await opened.pass(1100);
    expect(await store.usage(tenant)).toMatchObject({ entries: 3, sampled: 3, missing: 0 });
  });

  test('keeps one of the values of concurrent writers of the same key', async () => {
    const values = Array.from({ length: 50 }, (_, i) => String(i));
    await Promise.all(values.map((value) => store.set(tenant, 'k', value, 60)));
    expect(values).toContain((await store.get(tenant, 'k'))?.value);
    expect(await glob('*')).toEqual({ count: 1, complete: true });
  });

  test('answers the ping', async () => {
    await store.ping();
  });
});

describe.each(backends)('the servers of a store, $name', ({ open }) => {
  test('report the used memory and its limit', async () => {
    const { store } = await open();
    await store.set(newTenant(), 'k', '1', 100);
    const servers = await store.servers();
    expect(servers.length).toBeGreaterThan(0);
    for (const { usedBytes, limitBytes, fragmentation, evicted, connections } of servers) {
      expect(usedBytes).toBeGreaterThan(0);
      expect(limitBytes ?? Number.POSITIVE_INFINITY).toBeGreaterThan(usedBytes);
      expect(evicted).toBe(0);
      if (store.kind === 'memory') continue;
      expect(fragmentation).toBeGreaterThan(0);
      expect(connections).toBeGreaterThan(0);
    }
    await store.close();
  });
});

/** The bytes that an entry takes in addition to its value, measured with one entry. */
async function overheadOf(store: CacheStore, tenant: string): Promise<number> {
  await store.set(tenant, 'k', '1', 60);
  return (await store.usage(tenant)).bytes - 1;
}

describe.each(backends)('an invalidation that runs out of time, $name', ({ open }) => {
  test.each(['a pattern', 'tags'])(
    'by %s: returns the count so far, and removes more when it is repeated',
    async (kind) => {
      // One shard, so that the number of pages is known: a script removes 400 entries on a server, and a page is 10,000 in memory.
      const { store } = await open({ shards: 1 });
      const tenant = newTenant();
      const items = Array.from({ length: 25_000 }, (_, i) => ({
        key: `k:${i}`,
        value: '1',
        ttlSeconds: 100,
        tags: kind === 'tags' ? [i % 2 ? 'odd' : 'even'] : [],
      }));
      for (let at = 0; at < items.length; at += 100) await store.setMany(tenant, items.slice(at, at + 100));
      const invalidate = () =>
        kind === 'tags'
          ? store.invalidateTags(tenant, ['none', 'odd', 'even'], 0)
          : store.invalidate(tenant, compileGlob('k:*'), 0);
      const counts: number[] = [];
      for (let complete = false; !complete; ) {
        const step = await invalidate();
        counts.push(step.count);
        complete = step.complete;
      }
      expect(counts.length).toBeGreaterThanOrEqual(3);
      expect(counts.reduce((sum, count) => sum + count)).toBe(25_000);
      expect(await store.clear(tenant, soon())).toBe(0);
      await store.close();
    },
  );
});
