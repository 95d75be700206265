import { describe, expect, inject, test } from 'vitest';
import { compileGlob } from '../../lib/store/glob.ts';
import { soon } from '../conformance/backends.ts';
import { setUntilReaped, useShard } from './shard.ts';

describe.each(inject('targets'))('the names of tags, $name', ({ url }) => {
  const at = useShard(url);
  const tagged = (key: string, ...tags: string[]) => at.store.set(at.tenant, key, '1', 100, { tags });
  /** The names of tags in the name index, as `tag key`; the expiry index must contain the same. */
  const tagNames = async () => {
    const names = await at.engine.zrangebylex(at.shard.nameIndex, '[\x01', '(\x02');
    const expiring = await at.engine.zrangebyscore(at.shard.expiryIndex, '-inf', '(0');
    expect(expiring.filter((name) => name.startsWith('\x01')).sort()).toEqual(names);
    return names.map((name) => name.slice(1).replace('\x01', ' '));
  };
  const untag = (tag: string) => at.store.invalidateTags(at.tenant, [tag], soon());

  test.each<[string, () => Promise<unknown>, left: string[]]>([
    ['a set without the tag', () => tagged('k', 'b'), ['a other', 'b k']],
    ['a delete', () => at.store.delete(at.tenant, 'k'), ['a other']],
    ['an invalidation of another tag of the entry', () => untag('b'), ['a other']],
    [
      'an invalidation by pattern',
      () => at.store.invalidate(at.tenant, compileGlob('k*'), soon()),
      ['a other'],
    ],
    ['a clear', () => at.store.clear(at.tenant, soon()), []],
  ])('%s removes the name of a tag', async (_, act, left) => {
    await tagged('other', 'a');
    await tagged('k', 'a', 'b');
    expect(await tagNames()).toEqual(['a k', 'a other', 'b k']);
    await act();
    expect(await tagNames()).toEqual(left);
  });

  test('no meta key exists after the last entry was removed by its tag', async () => {
    await tagged('k', 'a', 'b');
    await untag('a');
    expect(await at.metaKeysLeft()).toBe(0);
  });

  test('names of tags expire with their entry, also after a touch', async () => {
    await tagged('k', 'a', 'b');
    for (const ttl of [1000, 10]) {
      await at.store.touch(at.tenant, 'k', ttl);
      const end = Number(await at.engine.zscore(at.shard.expiryIndex, 'k'));
      for (const tag of ['a', 'b']) {
        expect(Number(await at.engine.zscore(at.shard.expiryIndex, `\x01${tag}\x01k`))).toBe(-end);
      }
    }
  });

  test('the name of a tag of an evicted entry does not remove an entry that was set again without the tag', async () => {
    await tagged('k', 'a');
    await at.engine.del(at.shard.entryKey('k') as string);
    // The set does not find the evicted entry's tags.
    await tagged('k', 'b');
    expect(await tagNames()).toEqual(['a k', 'b k']);
    expect(await untag('a')).toEqual({ count: 0, complete: true });
    expect(await tagNames()).toEqual(['b k']);
    expect((await at.store.get(at.tenant, 'k'))?.value).toBe('1');
  });

  test('names of tags whose entries expired over a minute ago are removed as fast as they are added', async () => {
    const tags = ['a', 'b', 'c'];
    const names = tags.map((tag) => `\x01${tag}\x01gone`);
    await tagged('gone', ...tags);
    await at.engine.del(at.shard.entryKey('gone') as string);
    for (const name of names) await at.engine.zadd(at.shard.expiryIndex, -(Date.now() - 70_000), name);
    await setUntilReaped(() => at.store.set(at.tenant, 'new', '1', 100));
    expect(await tagNames()).toEqual([]);
  });

  test('the indexes contain few names of tags after 900 evictions', async () => {
    for (let i = 0; i < 1000; i++) {
      await tagged(`k:${i}`, 'a', `b:${i}`);
      // At most a hundred entries exist at a time.
      if (i >= 100) await at.engine.del(at.shard.entryKey(`k:${i - 100}`) as string);
    }
    const { length } = await tagNames();
    // A hundred live entries with two tags each.
    expect(length).toBeGreaterThanOrEqual(200);
    expect(length).toBeLessThan(600);
  });

  test.each(['expiryIndex', 'nameIndex', 'generation'] as const)(
    'tagged entries are found after the %s was evicted, and names of tags are not counted as entries',
    async (metaKey) => {
      await tagged('k:1', 'a', 'b');
      await tagged('k:2', 'b');
      await at.engine.del(at.shard[metaKey]);
      expect((await at.store.usage(at.tenant)).entries).toBe(2);
      expect(await untag('b')).toEqual({ count: 2, complete: true });
      expect(await at.store.get(at.tenant, 'k:1')).toBeUndefined();
      expect(await at.metaKeysLeft()).toBe(0);
    },
  );
});
