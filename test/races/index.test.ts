import { describe, expect, inject, test } from 'vitest';
import { compileGlob } from '../../lib/store/glob.ts';
import { newId } from '../../lib/store/id.ts';
import { evaluate } from '../../lib/store/redis/connection/send.ts';
import { encodeEntry, GENERATION_BYTES } from '../../lib/store/redis/entry.ts';
import { REAP_GRACE_MS, REAPED_PER_NAME } from '../../lib/store/redis/scripts/fragments.ts';
import { lease } from '../../lib/store/redis/scripts/lease.ts';
import { set } from '../../lib/store/redis/scripts/set.ts';
import { inBatches, setMany, soon } from '../conformance/backends.ts';
import { openObserved } from './observed.ts';
import { setUntilReaped, useShard } from './shard.ts';

describe.each(inject('targets'))('the keys of a tenant, $name', ({ url }) => {
  const at = useShard(url);

  /** Makes an entry look as if it had expired `pastExpiryMs` ago, because a test cannot wait for minutes. */
  async function age(key: string, pastExpiryMs: number): Promise<void> {
    await at.engine.del(at.shard.entryKey(key) as string);
    await at.engine.zadd(at.shard.expiryIndex, Date.now() - pastExpiryMs, key);
  }
  const indexed = async () => ({
    names: await at.engine.zrangebylex(at.shard.nameIndex, '[\x01', '+'),
    expiring: (await at.engine.zrangebyscore(at.shard.expiryIndex, '(0', '+inf')).sort(),
  });

  test('the indexes do not contain a name that expired 70 s and 64 sets ago', async () => {
    await at.store.set(at.tenant, 'k', '1', 1);
    await age('k', 70_000);
    // One in four sets removes names, at random.
    const others = Array.from({ length: 64 }, (_, i) => `other:${i}`).sort();
    await inBatches(others, (key) => at.store.set(at.tenant, key, '1', 100));
    expect(await indexed()).toEqual({ names: others, expiring: others });
  });

  test('the indexes contain a name that has just expired, since the clock of a replica may be behind', async () => {
    await at.store.set(at.tenant, 'k', '1', 1);
    await age('k', REAP_GRACE_MS - 20_000);
    // By another store: the same store received the name as a probe, and would find that its entry is missing.
    const other = await openObserved(url, { shards: 1 });
    await setUntilReaped(() => other.set(at.tenant, 'other', '1', 100));
    await other.close();
    expect((await indexed()).names).toEqual(['k', 'other']);
  });

  test('the indexes contain few names of evicted entries, even after 900 evictions', async () => {
    const keys = Array.from({ length: 1000 }, (_, i) => `k:${i}`);
    for (const key of keys) {
      await at.store.set(at.tenant, key, '1', 100);
      const index = Number(key.slice(2));
      // At most a hundred entries exist at a time.
      if (index >= 100) await at.engine.del(at.shard.entryKey(`k:${index - 100}`) as string);
    }
    const { names, expiring } = await indexed();
    expect(names.length).toBeGreaterThanOrEqual(100);
    expect(names.length).toBeLessThan(200);
    expect(expiring).toHaveLength(names.length);
  });

  test('a set unindexes a probed name whose entry was evicted, and keeps one that has expired', async () => {
    for (const key of ['kept', 'expired', 'evicted']) await at.store.set(at.tenant, key, '1', 100);
    await age('expired', REAP_GRACE_MS - 20_000);
    await at.engine.del(at.shard.entryKey('evicted') as string);
    const { head, body } = encodeEntry({ value: '1', ttlSeconds: 200 }, 0);
    const looked = ['expired', 'evicted'];
    const keys = [...at.shard.metaKeys, ...at.shard.entryKeys(['new', ...looked])];
    // No expired names are removed, 16 names returned from the start on, and there are no limits.
    const options = '0 16 0 0 0';
    const entry = [200_000, 200_000, 'new', head, '', body];
    const args = [Date.now() + 1000, 'generation.', 1, options, ...entry, ...looked];
    const reply = (await evaluate(at.engine, set, keys, args)) as [number, [], null, ...Buffer[]];
    const [gone, lost, excess, ...further] = reply;
    expect(lost).toEqual([]);
    expect(excess).toBeNull();
    expect(gone).toBe(1);
    expect(further.map(String)).toEqual(['kept', 'new']);
  });

  test('the indexes shrink faster than sets make them grow', async () => {
    const keys = Array.from({ length: 400 }, (_, i) => `k:${i}`);
    await inBatches(keys, (key) => at.store.set(at.tenant, key, '1', 1));
    await inBatches(keys, (key) => age(key, 2 * REAP_GRACE_MS));
    // Four times as many as needed on average: sets remove expired names at random.
    const sets = (4 * keys.length) / REAPED_PER_NAME;
    for (let i = 0; i < sets; i++) await at.store.set(at.tenant, `new:${i}`, '1', 100);
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
      await at.store.setMany(at.tenant, items);
      sizes.push(await at.engine.zcard(at.shard.expiryIndex));
      const names = (await at.engine.zrangebyscore(at.shard.expiryIndex, '-inf', '+inf')).filter(
        (name) => !name.startsWith('\0'),
      );
      await at.engine.zadd(
        at.shard.expiryIndex,
        ...names.flatMap((name) => [String(Date.now() - 2 * REAP_GRACE_MS), name]),
      );
    }
    expect(sizes).toEqual(Array(4).fill(1701));
  });

  test('the meta keys have a TTL at least as long as that of every entry', async () => {
    const { generation, expiryIndex, nameIndex } = at.shard;
    for (const ttl of [1, 500, 20, 1000, 3]) await at.store.set(at.tenant, `k:${ttl}`, '1', ttl);
    for (const key of [generation, expiryIndex, nameIndex]) {
      expect(await at.engine.pttl(key)).toBeGreaterThan(999_000);
      expect(await at.engine.pttl(key)).toBeLessThanOrEqual(1_000_000 + REAP_GRACE_MS);
    }
  });

  test('a touch changes the TTL of the entry, of its name, and of the meta keys if theirs is shorter', async () => {
    const { generation, expiryIndex, nameIndex } = at.shard;
    await at.store.set(at.tenant, 'k', '1', 100);
    const expectTtl = async (seconds: number) => {
      const leftMs = await at.engine.pttl(at.shard.entryKey('k') as string);
      const expiry = Number(await at.engine.zscore(expiryIndex, 'k'));
      expect(leftMs).toBeLessThanOrEqual(seconds * 1000);
      expect(leftMs).toBeGreaterThan((seconds - 50) * 1000);
      // The tolerance covers the duration of the commands.
      expect(Math.abs(expiry - Date.now() - leftMs)).toBeLessThan(20_000);
    };
    await expectTtl(100);
    await at.store.touch(at.tenant, 'k', 1000);
    await expectTtl(1000);
    for (const key of [generation, expiryIndex, nameIndex]) {
      expect(await at.engine.pttl(key)).toBeGreaterThan(1_000_000);
    }
    await at.store.touch(at.tenant, 'k', 60);
    await expectTtl(60);
    for (const key of [generation, expiryIndex, nameIndex]) {
      expect(await at.engine.pttl(key)).toBeGreaterThan(940_000);
    }
  });

  test('a touch leaves an entry whose flags a later version wrote', async () => {
    await at.store.set(at.tenant, 'k', '1', 100);
    await at.engine.setrange(at.shard.entryKey('k') as string, GENERATION_BYTES, '9');
    expect(await at.store.touch(at.tenant, 'k', 1000)).toBe(false);
    expect(await at.engine.pttl(at.shard.entryKey('k') as string)).toBeLessThanOrEqual(100_000);
  });

  test('leases, fills and sets each remove names of leases that ended over a minute ago', async () => {
    const ended = ['x:1', 'x:2', 'x:3'];
    const end = () =>
      Promise.all(ended.map((key) => at.engine.zadd(at.shard.expiryIndex, -(Date.now() - 70_000), key)));
    const indexedNames = () => at.engine.zrangebylex(at.shard.nameIndex, '[\x01', '+');
    await at.store.leaseMany(at.tenant, ended, 300, 1e6);
    await end();
    const { lease } = await at.store.lease(at.tenant, 'k', 300);
    expect(await indexedNames()).toEqual(['k']);
    for (const write of [
      () => at.store.set(at.tenant, 'k', '1', 100, { lease: lease?.token }),
      () => at.store.set(at.tenant, 'k', '1', 100),
    ]) {
      await at.engine.zadd(at.shard.nameIndex, ...ended.flatMap((name) => ['0', name]));
      await end();
      await setUntilReaped(write);
      expect(await indexedNames()).toEqual(['k']);
    }
    // The sentinels are still there, or the entry would be a miss.
    expect((await at.store.get(at.tenant, 'k'))?.value).toBe('1');
  });

  test.each([
    ['has passed', -1],
    ['is too far ahead', 60_000],
  ])(
    'a lease is not granted if its deadline %s, so that a late grant brings no token back',
    async (_, aheadMs) => {
      const token = newId();
      const keys = [...at.shard.metaKeys, at.shard.entryKey('k')];
      const args = [Date.now() + aheadMs, newId(), 300, '', token, 'k'];
      expect(await evaluate(at.engine, lease, keys, args)).toBeTypeOf('number');
      expect(await at.engine.exists(...(keys as string[]))).toBe(0);
      expect(await at.store.set(at.tenant, 'k', '1', 100, { lease: token })).toBe(false);
    },
  );

  test('a placeholder has the TTL of its lease, and the meta keys live longer', async () => {
    await at.store.lease(at.tenant, 'k', 300);
    const ttl = await at.engine.pttl(at.shard.entryKey('k') as string);
    expect(ttl).toBeGreaterThan(200_000);
    expect(ttl).toBeLessThanOrEqual(300_000);
    for (const key of at.shard.metaKeys) expect(await at.engine.pttl(key)).toBeGreaterThan(300_000);
  });

  test('a value with a grace is stored and indexed until its grace ends', async () => {
    await at.store.set(at.tenant, 'k', '1', 100, { graceSeconds: 1000 });
    const expectLife = async (seconds: number) => {
      const score = Number(await at.engine.zscore(at.shard.expiryIndex, 'k')) - Date.now();
      for (const left of [score, await at.engine.pttl(at.shard.entryKey('k') as string)]) {
        expect(left).toBeGreaterThan((seconds - 60) * 1000);
        expect(left).toBeLessThanOrEqual(seconds * 1000);
      }
    };
    await expectLife(1100);
    await at.store.touch(at.tenant, 'k', 500);
    await expectLife(1500);
    await at.store.touch(at.tenant, 'k', 50);
    await expectLife(1050);
    for (const key of at.shard.metaKeys) expect(await at.engine.pttl(key)).toBeGreaterThan(1_400_000);
  });

  test('no key exists after a release of the only lease', async () => {
    const { lease } = await at.store.lease(at.tenant, 'k', 300);
    expect(await at.metaKeysLeft()).toBe(3);
    await at.store.release(at.tenant, 'k', lease?.token ?? '');
    expect(await at.metaKeysLeft()).toBe(0);
    expect(await at.engine.exists(at.shard.entryKey('k') as string)).toBe(0);
  });

  test('a lease does not remain on an entry whose flags a later version wrote', async () => {
    await at.store.set(at.tenant, 'k', '1', 100);
    await at.engine.setrange(at.shard.entryKey('k') as string, GENERATION_BYTES, 'z');
    const { hit, lease } = await at.store.lease(at.tenant, 'k', 300);
    expect(hit).toBeUndefined();
    expect(await at.store.set(at.tenant, 'k', '"new"', 100, { lease: lease?.token })).toBe(true);
  });

  test.each([
    ['a delete of the last entry', () => at.store.delete(at.tenant, 'k')],
    ['an invalidation of all entries', () => at.store.invalidate(at.tenant, compileGlob('?'), soon())],
    ['a clear', () => at.store.clear(at.tenant, soon())],
  ])('no meta key exists after %s', async (_, empty) => {
    await at.store.set(at.tenant, 'k', '1', 100);
    expect(await at.metaKeysLeft()).toBe(3);
    await empty();
    expect(await at.metaKeysLeft()).toBe(0);
    expect(await at.engine.exists(at.shard.entryKey('k') as string)).toBe(0);
  });

  test('no entry is left in memory after a clear of more entries than fit in a page', async () => {
    const keys = Array.from({ length: 2500 }, (_, i) => `k:${i}`);
    await setMany(at.store, at.tenant, keys, '1');
    await at.store.clear(at.tenant, soon());
    const left = await Promise.all(keys.map((key) => at.engine.exists(at.shard.entryKey(key) as string)));
    expect(left.filter(Boolean)).toEqual([]);
  });
});
