import type { Cluster, Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, describe, expect, inject, test } from 'vitest';
import { compileGlob } from '../../lib/store/glob.ts';
import { evaluate } from '../../lib/store/redis/connection/send.ts';
import { encodeEntry, GENERATION_BYTES } from '../../lib/store/redis/entry.ts';
import { type Shard, shardsOf } from '../../lib/store/redis/keyspace.ts';
import { REAP_GRACE_MS, REAPED_PER_SET, set } from '../../lib/store/redis/scripts.ts';
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
  const metaKeysLeft = async () => {
    const { generation, expiryIndex, nameIndex } = shard;
    return engine.exists(generation, expiryIndex, nameIndex);
  };

  test('the indexes do not contain a name that expired 70 s and 16 sets ago', async () => {
    await store.set(tenant, 'k', '1', 1);
    await age('k', 70_000);
    const others = Array.from({ length: 16 }, (_, i) => `other:${i}`).sort();
    await inBatches(others, (key) => store.set(tenant, key, '1', 100));
    expect(await indexed()).toEqual({ names: others, expiring: others });
  });

  test('the indexes contain a name that has just expired, since the clock of a replica may be behind', async () => {
    await store.set(tenant, 'k', '1', 1);
    await age('k', REAP_GRACE_MS - 20_000);
    // By another store: the same store received the name as a probe, and would find that its entry is missing.
    const other = await openObserved(url, { shards: 1 });
    await other.set(tenant, 'other', '1', 100);
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
    const args = [Date.now() + 1000, 'generation.', 1, 16, 0, 200_000, 0, 'new', head, '', body, ...looked];
    const [gone, lost, ...further] = (await evaluate(engine, set, keys, args)) as [number, [], ...Buffer[]];
    expect(lost).toEqual([]);
    expect(gone).toBe(1);
    expect(further.map(String)).toEqual(['kept', 'new']);
  });

  test('the indexes shrink faster than sets make them grow', async () => {
    const keys = Array.from({ length: 400 }, (_, i) => `k:${i}`);
    await inBatches(keys, (key) => store.set(tenant, key, '1', 1));
    await inBatches(keys, (key) => age(key, 2 * REAP_GRACE_MS));
    const sets = keys.length / REAPED_PER_SET;
    for (let i = 0; i < sets; i++) await store.set(tenant, `new:${i}`, '1', 100);
    expect((await indexed()).names).toHaveLength(sets);
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
      await write();
      expect(await indexedNames()).toEqual(['k']);
    }
    // The sentinels are still there, or the entry would be a miss.
    expect((await store.get(tenant, 'k'))?.value).toBe('1');
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
