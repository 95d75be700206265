import { describe, expect, test } from 'vitest';
import { CacheClient, type KeysOptions, LeaseLostError, type ListedKey } from '../../lib/client/index.ts';
import { leftOf } from '../conformance/backends.ts';
import { describeOnBackends } from '../http/client.ts';
import { startService } from '../http/service.ts';
import { freePort } from '../support/engines/ports.ts';
import { IMPATIENT } from '../support/patience.ts';
import { PatientClient } from './service.ts';

describeOnBackends('the client', {}, (connect) => {
  const client = () => {
    const { port, tenant } = connect();
    return new PatientClient({ url: `http://127.0.0.1:${port}`, tenant });
  };

  test('finds an entry until it is deleted', async () => {
    const cache = client();
    const value = { name: 'Jöhn', score: 1.5, tags: ['a', null, '🎈'], none: {} };
    expect(await cache.get('user:1')).toEqual({ found: false, key: 'user:1' });
    expect(await cache.set('user:1', value, { ttl: 60 })).toEqual({ key: 'user:1', ttl: 60 });
    expect(await cache.get('user:1')).toEqual({ found: true, key: 'user:1', value, ttl: leftOf(60) });
    expect(await cache.delete('user:1')).toBeUndefined();
    expect(await cache.get('user:1')).toEqual({ found: false, key: 'user:1' });
    expect(await cache.delete('user:1')).toBeUndefined();
  });

  test('lets the service choose the default TTL', async () => {
    expect(await client().set('k', 1)).toEqual({ key: 'k', ttl: 300 });
  });

  test('touches an entry: its TTL changes, and a key without an entry is a miss', async () => {
    const cache = client();
    await cache.set('k', 'value', { ttl: 60 });
    expect(await cache.touch('k', 200)).toBe(true);
    expect(await cache.get('k')).toEqual({ found: true, key: 'k', value: 'value', ttl: leftOf(200) });
    expect(await cache.touch('absent', 200)).toBe(false);
    await expect(cache.touch('k', 0)).rejects.toThrow('ttl must be a whole number of seconds');
  });

  test.each([null, false, 0, '', [], {}, 'text', -1.5])('finds a value that is %j', async (value) => {
    const cache = client();
    await cache.set('k', value);
    expect(await cache.get('k')).toEqual({ found: true, key: 'k', value, ttl: leftOf(300) });
  });

  test('invalidates by a pattern', async () => {
    const cache = client();
    await cache.setMany(['a:1', 'a:2', 'b:1', 'b*'].map((key) => ({ key, value: 1 })));
    expect(await cache.invalidate('a:*')).toBe(2);
    expect(await cache.invalidate('b\\*')).toBe(1);
    expect((await cache.getMany(['a:1', 'a:2', 'b:1', 'b*'])).map(({ found }) => found)).toEqual([
      false,
      false,
      true,
      false,
    ]);
    expect(await cache.invalidate('*')).toBe(1);
    expect(await cache.invalidate('*')).toBe(0);
  });

  test('invalidates by tags, which come from a set, a batch and a fill with a lease', async () => {
    const cache = client();
    await cache.set('one', 1, { tags: ['doc:1', 'doc:2'] });
    await cache.setMany([
      { key: 'two', value: 2, tags: ['doc:2'] },
      { key: 'three', value: 3, tags: ['doc:3', '*'] },
      { key: 'none', value: 4 },
    ]);
    const { lease } = await cache.lease('filled', { tags: ['doc:4'] });
    await cache.set('filled', 5, { lease: lease?.token, tags: ['doc:2'] });
    expect(await cache.invalidateTags(['doc:4', 'doc'])).toBe(0);
    expect(await cache.invalidateTags(['doc:2', 'doc:1'])).toBe(3);
    const found = await cache.getMany(['one', 'two', 'three', 'none', 'filled']);
    expect(found.map(({ found }) => found)).toEqual([false, false, true, true, false]);
    expect(await cache.invalidateTags(['*'])).toBe(1);
  });

  test('an invalidation of a tag of a lease ends the lease', async () => {
    const cache = client();
    const { lease } = await cache.lease('k', { lease: 300, tags: ['doc:1'] });
    expect(await cache.invalidateTags(['doc:1'])).toBe(0);
    await expect(cache.set('k', 1, { lease: lease?.token })).rejects.toBeInstanceOf(LeaseLostError);
  });

  test('lists keys in the order of their bytes, over any number of pages, by pattern and tag', async () => {
    const cache = client();
    const list = async (options?: KeysOptions) => {
      const listed: ListedKey[] = [];
      for await (const key of cache.keys(options)) listed.push(key);
      return listed;
    };
    const names = async (options?: KeysOptions) => (await list(options)).map(({ key }) => key);
    expect(await list()).toEqual([]);
    await cache.setMany([
      { key: 'user:2', value: 1, ttl: 60, tags: ['team 1 & 2'] },
      { key: 'user:10', value: 1, tags: ['é', 'team 1 & 2'] },
      { key: 'a&b=c #?', value: 1, ttl: 60 },
      { key: '漢', value: 1 },
    ]);
    const all = ['a&b=c #?', 'user:10', 'user:2', '漢'];
    for (const limit of [1, 3, 4, undefined]) expect(await names({ limit })).toEqual(all);
    expect((await list())[0]).toEqual({ key: 'a&b=c #?', ttl: leftOf(60), stale: false, tags: [] });
    expect((await list({ pattern: 'user:1*' }))[0]).toMatchObject({ tags: ['é', 'team 1 & 2'] });
    expect(await names({ tag: 'team 1 & 2', limit: 1 })).toEqual(['user:10', 'user:2']);
    expect(await names({ tag: 'team 1 & 2', pattern: '*:2' })).toEqual(['user:2']);
    expect(await names({ tag: 'other' })).toEqual([]);
    await expect(list({ limit: 1001 })).rejects.toMatchObject({ issues: [{ field: 'limit' }] });
    await expect(list({ pattern: '\ud83d' })).rejects.toMatchObject({ issues: [{ field: 'pattern' }] });
  });

  test('clears a tenant, returns its usage, and touches no other tenant', async () => {
    const cache = client();
    const other = cache.forTenant(`${cache.tenant}.other`);
    await cache.setMany([1, 2, 3].map((n) => ({ key: `k:${n}`, value: n })));
    await other.set('k:1', 'other');
    expect(await cache.usage()).toMatchObject({ tenant_id: cache.tenant, entries: 3, bytes: { sampled: 3 } });
    expect((await cache.usage()).bytes.estimated).toBeGreaterThan(0);
    expect(await cache.clear()).toBeUndefined();
    expect(await cache.usage()).toMatchObject({ entries: 0, bytes: { estimated: 0 } });
    expect(await other.get('k:1')).toMatchObject({ value: 'other' });
    await other.clear();
  });

  test('sets, gets and deletes many at once', async () => {
    const cache = client();
    const entries = [
      { key: 'a', value: 1, ttl: 10 },
      { key: 'b', value: 2 },
      { key: 'a', value: 3, ttl: 30 },
    ];
    expect(await cache.setMany(entries)).toEqual([
      { key: 'a', ttl: 30 },
      { key: 'b', ttl: 300 },
      { key: 'a', ttl: 30 },
    ]);
    expect(await cache.getMany(['b', 'absent', 'a', 'b'])).toEqual([
      { found: true, key: 'b', value: 2, ttl: 300 },
      { found: false, key: 'absent' },
      { found: true, key: 'a', value: 3, ttl: 30 },
      { found: true, key: 'b', value: 2, ttl: 300 },
    ]);
    expect(await cache.deleteMany(['a', 'absent', 'a'])).toBe(1);
    expect(await cache.deleteMany(['a', 'b'])).toBe(1);
  });

  test('returns nothing for empty lists', async () => {
    const cache = client();
    expect(await cache.getMany([])).toEqual([]);
    expect(await cache.setMany([])).toEqual([]);
    expect(await cache.deleteMany([])).toBe(0);
  });

  test('produces and caches a missing value once', async () => {
    const cache = client();
    let produced = 0;
    const produce = async () => ({ answer: ++produced });
    expect(await cache.getOrSet('k', 60, produce)).toEqual({ answer: 1 });
    expect(await cache.getOrSet('k', 60, produce)).toEqual({ answer: 1 });
    expect(await cache.get('k')).toMatchObject({ value: { answer: 1 }, ttl: leftOf(60) });
    await cache.delete('k');
    expect(await cache.getOrSet('k', 60, produce)).toEqual({ answer: 2 });
  });

  test('produces and caches missing values of a batch once', async () => {
    const cache = client();
    await cache.set('b', 'cached');
    const calls: string[][] = [];
    const produce = async (keys: string[]) => {
      calls.push(keys);
      return keys.map((key) => `made of ${key}`);
    };
    const values = ['made of a', 'cached', 'made of c', 'made of a'];
    for (let i = 0; i < 2; i++) {
      expect(await cache.getOrSetMany(['a', 'b', 'c', 'a'], 60, produce)).toEqual(values);
    }
    expect(calls).toEqual([['a', 'c']]);
    expect(await cache.get('c')).toMatchObject({ value: 'made of c', ttl: leftOf(60) });
  });

  test('grants a lease, and sets and releases with its token', async () => {
    const cache = client();
    const { lease } = await cache.lease('k', { lease: 60 });
    expect(lease).toEqual({ token: expect.any(String), ttl: 60 });
    const held = await cache.lease('k');
    expect(held).toEqual({ found: false, key: 'k', retryAfterMs: expect.any(Number) });
    await cache.release('k', lease?.token ?? '');
    await expect(cache.set('k', 1, { lease: lease?.token })).rejects.toBeInstanceOf(LeaseLostError);
    const next = await cache.lease('k');
    expect(await cache.set('k', 1, { ttl: 60, lease: next.lease?.token })).toEqual({ key: 'k', ttl: 60 });
    const hit = { found: true, key: 'k', value: 1, ttl: leftOf(60), stale: false };
    expect(await cache.lease('k')).toEqual(hit);
    const lost = { key: 'k', value: 2, lease: lease?.token };
    expect(await cache.setMany([lost, { key: 'other', value: 2, ttl: 60 }])).toEqual([
      { key: 'k', ttl: 0, leaseLost: true },
      { key: 'other', ttl: 60 },
    ]);
  });

  test('reports a healthy service', async () => {
    expect(await client().health()).toMatchObject({ status: 'healthy', service: 'cache-service' });
  });
});

describe('the client of a service whose backend is down', () => {
  test('returns an unhealthy report instead of an error', async () => {
    const service = await startService({
      ...IMPATIENT,
      DRAGONFLY_URL: `redis://127.0.0.1:${await freePort()}`,
    });
    const health = await new CacheClient({ url: service.url, tenant: 't' }).health();
    await service.stop();
    expect(health).toMatchObject({ status: 'unhealthy', backend: 'dragonfly' });
  });
});
