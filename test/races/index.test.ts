import type { Cluster, Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, describe, expect, inject, test } from 'vitest';
import { compileGlob } from '../../lib/store/glob.ts';
import { newId } from '../../lib/store/id.ts';
import { evaluate } from '../../lib/store/redis/connection/send.ts';
import { encodeEntry, GENERATION_BYTES } from '../../lib/store/redis/entry.ts';
import { type Shard, shardsOf } from '../../lib/store/redis/keyspace.ts';
import { REAP_GRACE_MS, REAPED_PER_NAME } from '../../lib/store/redis/scripts/fragments.ts';
import { lease } from '../../lib/store/redis/scripts/lease.ts';
import { set } from '../../lib/store/redis/scripts/set.ts';
import type { CacheStore } from '../../lib/store/store.ts';
import { inBatches, newTenant, setMany, soon } from '../conformance/backends.ts';
import { rawClient } from '../support/engines/inspect.ts';
import { openObserved } from './observed.ts';

describe.each(inject('targets'))('the keys of a tenant, $name', ({ url }) => {
  let engine: Redis | Cluster;
  let store: CacheStore;
  let tenant: string;
  let shard: Shard;

  beforeAll(async () => {
    engine = await rawClient(url);
    store = await openObserved(url, { shards: 1 });
  });
  afterAll(async () => {
    await store.close();
    engine.disconnect();
  });
  beforeEach(() => {
    tenant = newTenant();
    shard = shardsOf(tenant, 1)[0] as Shard;
  });

  /** Makes an entry look as if it had expired `pastExpiryMs` ago, because a test cannot wait for minutes. */
  async function age(key: string, pastExpiryMs: number): Promise<void> {
    await engine.del(shard.entryKey(key) as string);
    await engine.zadd(shard.expiryIndex, Date.now() - pastExpiryMs, key);
  }
  const indexed = async () => ({
    names: await engine.zrangebylex(shard.nameIndex, '[\x01', '+'),
    expiring: (await engine.zrangebyscore(shard.expiryIndex, '(0', '+inf')).sort(),
  });
  /** Enough sets that one removes names: each of them does so at random, one in four. */
  const setUntilReaped = async (set: () => Promise<unknown>) => {
    for (let i = 0; i < 64; i++) await set();
  };
  const metaKeysLeft = async () => {
    const { generation, expiryIndex, nameIndex } = shard;
    return engine.exists(generation, expiryIndex, nameIndex);
  };

  test('the indexes do not contain a name that expired 70 s and 64 sets ago', async () => {
    await store.set(tenant, 'k', '1', 1);
    await age('k', 70_000);
    // One in four sets removes names, at random.
    const others = Array.from({ length: 64 }, (_, i) => `other:${i}`).sort();
    await inBatches(others, (key) => store.set(tenant, key, '1', 100));
    expect(await indexed()).toEqual({ names: others, expiring: others });
  });

  test('the indexes contain a name that has just expired, since the clock of a replica may be behind', async () => {
    await store.set(tenant, 'k', '1', 1);
    await age('k', REAP_GRACE_MS - 20_000);
    // By another store: the same store received the name as a probe, and would find that its entry is missing.
    const other = await openObserved(url, { shards: 1 });
    await setUntilReaped(() => other.set(tenant, 'other', '1', 100));
    await other.close();
    expect((await indexed()).names).toEqual(['k', 'other']);
  });

  test('the indexes contain few names of evicted entries, even after 900 evictions', async () => {
    const keys = Array.from({ length: 1000 }, (_, i) => `k:${i}`);
    for (const key of keys) {
      await store.set(tenant, key, '1', 100);
      const index = Number(key.slice(2));
      // At most a hundred entries exist at a time.
      if (index >= 100) await engine.del(shard.entryKey(`k:${index - 100}`) as string);
    }
    const { names, expiring } = await indexed();
    expect(names.length).toBeGreaterThanOrEqual(100);
    expect(names.length).toBeLessThan(200);
    expect(expiring).toHaveLength(names.length);
  });

  test('a set unindexes a probed name whose entry was evicted, and keeps one that has expired', async () => {
    for (const key of ['kept', 'expired', 'evicted']) await store.set(tenant, key, '1', 100);
    await age('expired', REAP_GRACE_MS - 20_000);
    await engine.del(shard.entryKey('evicted') as string);
    const { head, body } = encodeEntry({ value: '1', ttlSeconds: 200 }, 0);
    const looked = ['expired', 'evicted'];
    const keys = [...shard.metaKeys, ...shard.entryKeys(['new', ...looked])];
    // No expired names are removed, 16 names returned from the start on, and there are no limits.
    const options = '0 16 0 0 0';
    const entry = [200_000, 200_000, 'new', head, '', body];
    const args = [Date.now() + 1000, 'generation.', 1, options, ...entry, ...looked];
    const reply = (await evaluate(engine, set, keys, args)) as [number, [], null, ...Buffer[]];
    const [gone, lost, excess, ...further] = reply;
    expect(lost).toEqual([]);
    expect(excess).toBeNull();
    expect(gone).toBe(1);
    expect(further.map(String)).toEqual(['kept', 'new']);
  });

  test('the indexes shrink faster than sets make them grow', async () => {
    const keys = Array.from({ length: 400 }, (_, i) => `k:${i}`);
    await inBatches(keys, (key) => store.set(tenant, key, '1', 1));
    await inBatches(keys, (key) => age(key, 2 * REAP_GRACE_MS));
    // Four times as many as needed on average: sets remove expired names at random.
    const sets = (4 * keys.length) / REAPED_PER_NAME;
    for (let i = 0; i < sets; i++) await store.set(tenant, `new:${i}`, '1', 100);
    expect((await indexed()).names).toHaveLength(sets);
  });

  test('the indexes do not grow when batches of a hundred entries with 16 tags each follow one another', async () => {
    const tags = Array.from({ length: 16 }, (_, i) => `t:${i}`);
    const sizes: number[] = [];
    for (let round = 0; round < 4; round++) {
      const items = Array.from({ length: 100 }, (_, i) => ({
        key: `k:${round}:${i}`,
        value: '1',
        ttlSeconds: 100,
        tags,
      }));
      await store.setMany(tenant, items);
      sizes.push(await engine.zcard(shard.expiryIndex));
      const names = (await engine.zrangebyscore(shard.expiryIndex, '-inf', '+inf')).filter(
        (name) => !name.startsWith('\0'),
      );
      await engine.zadd(
        shard.expiryIndex,
        ...names.flatMap((name) => [String(Date.now() - 2 * REAP_GRACE_MS), name]),
      );
    }
    expect(sizes).toEqual(Array(4).fill(1701));
  });

  test('the meta keys have a TTL at least as long as that of every entry', async () => {
    const { generation, expiryIndex, nameIndex } = shard;
    for (const ttl of [1, 500, 20, 1000, 3]) await store.set(tenant, `k:${ttl}`, '1', ttl);
    for (const key of [generation, expiryIndex, nameIndex]) {
      expect(await engine.pttl(key)).toBeGreaterThan(999_000);
      expect(await engine.pttl(key)).toBeLessThanOrEqual(1_000_000 + REAP_GRACE_MS);
    }
  });

  test('a touch changes the TTL of the entry, of its name, and of the meta keys if theirs is shorter', async () => {
    const { generation, expiryIndex, nameIndex } = shard;
    await store.set(tenant, 'k', '1', 100);
    const expectTtl = async (seconds: number) => {
      const leftMs = await engine.pttl(shard.entryKey('k') as string);
      const expiry = Number(await engine.zscore(expiryIndex, 'k'));
      expect(leftMs).toBeLessThanOrEqual(seconds * 1000);
      expect(leftMs).toBeGreaterThan((seconds - 50) * 1000);
      // The tolerance covers the duration of the commands.
      expect(Math.abs(expiry - Date.now() - leftMs)).toBeLessThan(20_000);
    };
    await expectTtl(100);
    await store.touch(tenant, 'k', 1000);
    await expectTtl(1000);
    for (const key of [generation, expiryIndex, nameIndex]) {
      expect(await engine.pttl(key)).toBeGreaterThan(1_000_000);
    }
    await store.touch(tenant, 'k', 60);
    await expectTtl(60);
    for (const key of [generation, expiryIndex, nameIndex]) {
      expect(await engine.pttl(key)).toBeGreaterThan(940_000);
    }
  });

  test('a touch leaves an entry whose flags a later version wrote', async () => {
    await store.set(tenant, 'k', '1', 100);
    await engine.setrange(shard.entryKey('k') as string, GENERATION_BYTES, '9');
    expect(await store.touch(tenant, 'k', 1000)).toBe(false);
    expect(await engine.pttl(shard.entryKey('k') as string)).toBeLessThanOrEqual(100_000);
  });

  test('leases, fills and sets each remove names of leases that ended over a minute ago', async () => {
    const ended = ['x:1', 'x:2', 'x:3'];
    const end = () =>
      Promise.all(ended.map((key) => engine.zadd(shard.expiryIndex, -(Date.now() - 70_000), key)));
    const indexedNames = () => engine.zrangebylex(shard.nameIndex, '[\x01', '+');
    await store.leaseMany(tenant, ended, 300, 1e6);
    await end();
    const { lease } = await store.lease(tenant, 'k', 300);
    expect(await indexedNames()).toEqual(['k']);
    for (const write of [
      () => store.set(tenant, 'k', '1', 100, { lease: lease?.token }),
      () => store.set(tenant, 'k', '1', 100),
    ]) {
      await engine.zadd(shard.nameIndex, ...ended.flatMap((name) => ['0', name]));
      await end();
      await setUntilReaped(write);
      expect(await indexedNames()).toEqual(['k']);
    }
    // The sentinels are still there, or the entry would be a miss.
    expect((await store.get(tenant, 'k'))?.value).toBe('1');
  });

  test.each([
    ['has passed', -1],
    ['is too far ahead', 60_000],
  ])(
    'a lease is not granted if its deadline %s, so that a late grant brings no token back',
    async (_, aheadMs) => {
      const token = newId();
      const keys = [...shard.metaKeys, shard.entryKey('k')];
      const args = [Date.now() + aheadMs, newId(), 300, token, 'k'];
      expect(await evaluate(engine, lease, keys, args)).toBeTypeOf('number');
      expect(await engine.exists(...(keys as string[]))).toBe(0);
      expect(await store.set(tenant, 'k', '1', 100, { lease: token })).toBe(false);
    },
  );

  describe('the names of tags', () => {
    const tagged = (key: string, ...tags: string[]) => store.set(tenant, key, '1', 100, { tags });
    /** The names of tags in the name index, as `tag key`; the expiry index must contain the same. */
    const tagNames = async () => {
      const names = await engine.zrangebylex(shard.nameIndex, '[\x01', '(\x02');
      const expiring = await engine.zrangebyscore(shard.expiryIndex, '-inf', '(0');
      expect(expiring.filter((name) => name.startsWith('\x01')).sort()).toEqual(names);
      return names.map((name) => name.slice(1).replace('\x01', ' '));
    };
    const untag = (tag: string) => store.invalidateTags(tenant, [tag], soon());

    test.each<[string, () => Promise<unknown>]>([
      ['a set without the tag', () => tagged('k', 'b')],
      ['a delete', () => store.delete(tenant, 'k')],
      ['an invalidation of another tag of the entry', () => untag('b')],
      ['an invalidation by pattern', () => store.invalidate(tenant, compileGlob('k*'), soon())],
      ['a clear', () => store.clear(tenant, soon())],
    ])('%s removes the name of a tag', async (_, act) => {
      await tagged('other', 'a');
      await tagged('k', 'a', 'b');
      expect(await tagNames()).toEqual(['a k', 'a other', 'b k']);
      await act();
      expect(await tagNames()).not.toContain('a k');
    });

    test('no meta key exists after the last entry was removed by its tag', async () => {
      await tagged('k', 'a', 'b');
      await untag('a');
      expect(await metaKeysLeft()).toBe(0);
    });

    test('end with their entries, also after a touch', async () => {
      await tagged('k', 'a', 'b');
      for (const ttl of [1000, 10]) {
        await store.touch(tenant, 'k', ttl);
        const end = Number(await engine.zscore(shard.expiryIndex, 'k'));
        for (const tag of ['a', 'b']) {
          expect(Number(await engine.zscore(shard.expiryIndex, `\x01${tag}\x01k`))).toBe(-end);
        }
      }
    });

    test('of an evicted entry do not remove one that was set again without the tag', async () => {
      await tagged('k', 'a');
      await engine.del(shard.entryKey('k') as string);
      // The set does not find the evicted entry's tags.
      await tagged('k', 'b');
      expect(await tagNames()).toEqual(['a k', 'b k']);
      expect(await untag('a')).toEqual({ count: 0, complete: true });
      expect(await tagNames()).toEqual(['b k']);
      expect((await store.get(tenant, 'k'))?.value).toBe('1');
    });

    test('whose entries expired over a minute ago are removed as fast as they are added', async () => {
      const tags = ['a', 'b', 'c'];
      const names = tags.map((tag) => `\x01${tag}\x01gone`);
      await tagged('gone', ...tags);
      await engine.del(shard.entryKey('gone') as string);
      for (const name of names) await engine.zadd(shard.expiryIndex, -(Date.now() - 70_000), name);
      await setUntilReaped(() => store.set(tenant, 'new', '1', 100));
      expect(await tagNames()).toEqual([]);
    });

    test('are few after 900 evictions', async () => {
      for (let i = 0; i < 1000; i++) {
        await tagged(`k:${i}`, 'a', `b:${i}`);
        // At most a hundred entries exist at a time.
        if (i >= 100) await engine.del(shard.entryKey(`k:${i - 100}`) as string);
      }
      expect((await tagNames()).length).toBeLessThan(600);
    });

    test.each(['expiryIndex', 'nameIndex', 'generation'] as const)(
      'are found when the %s was evicted, and are not counted',
      async (metaKey) => {
        await tagged('k:1', 'a', 'b');
        await tagged('k:2', 'b');
        await engine.del(shard[metaKey]);
        expect((await store.usage(tenant)).entries).toBe(2);
        expect(await untag('b')).toEqual({ count: 2, complete: true });
        expect(await store.get(tenant, 'k:1')).toBeUndefined();
        expect(await metaKeysLeft()).toBe(0);
      },
    );
  });

  test('a placeholder has the TTL of its lease, and the meta keys live longer', async () => {
    await store.lease(tenant, 'k', 300);
    const ttl = await engine.pttl(shard.entryKey('k') as string);
    expect(ttl).toBeGreaterThan(200_000);
    expect(ttl).toBeLessThanOrEqual(300_000);
    for (const key of shard.metaKeys) expect(await engine.pttl(key)).toBeGreaterThan(300_000);
  });

  test('a value with a grace is stored and indexed until its grace ends', async () => {
    await store.set(tenant, 'k', '1', 100, { graceSeconds: 1000 });
    const expectLife = async (seconds: number) => {
      const score = Number(await engine.zscore(shard.expiryIndex, 'k')) - Date.now();
      for (const left of [score, await engine.pttl(shard.entryKey('k') as string)]) {
        expect(left).toBeGreaterThan((seconds - 60) * 1000);
        expect(left).toBeLessThanOrEqual(seconds * 1000);
      }
    };
    await expectLife(1100);
    await store.touch(tenant, 'k', 500);
    await expectLife(1500);
    await store.touch(tenant, 'k', 50);
    await expectLife(1050);
    for (const key of shard.metaKeys) expect(await engine.pttl(key)).toBeGreaterThan(1_400_000);
  });

  test('no key exists after a release of the only lease', async () => {
    const { lease } = await store.lease(tenant, 'k', 300);
    expect(await metaKeysLeft()).toBe(3);
    await store.release(tenant, 'k', lease?.token ?? '');
    expect(await metaKeysLeft()).toBe(0);
    expect(await engine.exists(shard.entryKey('k') as string)).toBe(0);
  });

  test('a lease does not remain on an entry whose flags a later version wrote', async () => {
    await store.set(tenant, 'k', '1', 100);
    await engine.setrange(shard.entryKey('k') as string, GENERATION_BYTES, 'z');
    const { hit, lease } = await store.lease(tenant, 'k', 300);
    expect(hit).toBeUndefined();
    expect(await store.set(tenant, 'k', '"new"', 100, { lease: lease?.token })).toBe(true);
  });

  test.each([
    ['a delete of the last entry', () => store.delete(tenant, 'k')],
    ['an invalidation of all entries', () => store.invalidate(tenant, compileGlob('?'), soon())],
    ['a clear', () => store.clear(tenant, soon())],
  ])('no meta key exists after %s', async (_, empty) => {
    await store.set(tenant, 'k', '1', 100);
    expect(await metaKeysLeft()).toBe(3);
    await empty();
    expect(await metaKeysLeft()).toBe(0);
    expect(await engine.exists(shard.entryKey('k') as string)).toBe(0);
  });

  test('no entry is left in memory after a clear of more entries than fit in a page', async () => {
    const keys = Array.from({ length: 2500 }, (_, i) => `k:${i}`);
    await setMany(store, tenant, keys, '1');
    await store.clear(tenant, soon());
    const left = await Promise.all(keys.map((key) => engine.exists(shard.entryKey(key) as string)));
    expect(left.filter(Boolean)).toEqual([]);
  });
});
