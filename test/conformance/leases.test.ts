import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { compileGlob } from '../../lib/store/glob.ts';
import { newId } from '../../lib/store/id.ts';
import type { CacheStore, Lease } from '../../lib/store/store.ts';
import { LARGE_VALUES, leftOf, newTenant, type OpenStore, soon } from './backends.ts';
import { everywhere } from './over-the-wire.ts';

/** Seconds. Long enough that no lease ends during a test on a busy machine. */
const LEASE = 300;

describe.each(everywhere)('leases, $name', ({ open }) => {
  let opened: OpenStore;
  let store: CacheStore;
  let tenant: string;
  const glob = (pattern: string) => store.invalidate(tenant, compileGlob(pattern), soon());
  const fill = (key: string, value: string, { token }: Lease, ttl = 100, graceSeconds = 0) =>
    store.set(tenant, key, value, ttl, { lease: token, graceSeconds });

  /** Requests a lease that must be granted. */
  async function granted(key = 'k', seconds = LEASE): Promise<Lease> {
    const { lease } = await store.lease(tenant, key, seconds);
    if (!lease) throw new Error(`No lease on ${key}`);
    return lease;
  }

  /** Sets a value whose TTL has passed, and whose grace lasts. */
  async function setStale(key: string, value: string, graceSeconds = 1000): Promise<void> {
    await store.set(tenant, key, value, 1, { graceSeconds });
    await opened.pass(1100);
  }

  beforeAll(async () => {
    opened = await open();
    store = opened.store;
  });
  afterAll(() => store.close());
  beforeEach(() => {
    tenant = newTenant();
  });

  test('a request for a fresh value returns it without a lease', async () => {
    await store.set(tenant, 'k', '1.0', 100);
    const hit = { value: '1.0', bytes: 3, ttl: leftOf(100) };
    expect(await store.lease(tenant, 'k', LEASE)).toEqual({ hit });
  });

  test('a request for a missing key gets a lease, and the next ones get a time to wait', async () => {
    const { hit, lease } = await store.lease(tenant, 'k', LEASE);
    expect(hit).toBeUndefined();
    expect(lease).toEqual({ token: expect.stringMatching(/^[\w-]{11}$/), ttlSeconds: LEASE });
    const held = await store.lease(tenant, 'k', LEASE);
    expect(held).toEqual({ hit: undefined, retryAfterMs: expect.any(Number) });
    expect(held.retryAfterMs).toBeGreaterThan(0);
    expect(held.retryAfterMs).toBeLessThanOrEqual(5000);
  });

  test('of a hundred requests at once, one gets the lease', async () => {
    const results = await Promise.all(Array.from({ length: 100 }, () => store.lease(tenant, 'k', LEASE)));
    expect(results.filter(({ lease }) => lease)).toHaveLength(1);
    expect(results.filter(({ retryAfterMs }) => retryAfterMs)).toHaveLength(99);
  });

  test('a placeholder is a miss for every other read, and is not counted', async () => {
    const lease = await granted();
    expect(await store.get(tenant, 'k')).toBeUndefined();
    expect(await store.getMany(tenant, ['k'], 1e6)).toEqual([undefined]);
    expect(await store.touch(tenant, 'k', 100)).toBe(false);
    expect((await store.usage(tenant)).entries).toBe(0);
    expect(await fill('k', '1', lease)).toBe(true);
    expect((await store.usage(tenant)).entries).toBe(1);
  });

  test('a fill sets the value, and ends the lease', async () => {
    const lease = await granted();
    expect(await fill('k', '"made"', lease)).toBe(true);
    const hit = { value: '"made"', bytes: 6, ttl: leftOf(100) };
    expect(await store.get(tenant, 'k')).toEqual(hit);
    expect(await store.lease(tenant, 'k', LEASE)).toEqual({ hit });
  });

  test('a repeated fill succeeds and changes nothing', async () => {
    const lease = await granted();
    await fill('k', '"first"', lease);
    await store.touch(tenant, 'k', 1000);
    expect(await fill('k', '"again"', lease, 10)).toBe(true);
    expect(await store.get(tenant, 'k')).toEqual({ value: '"first"', bytes: 7, ttl: leftOf(1000) });
  });

  test.each(LARGE_VALUES)('a large value is filled as it is', async (text) => {
    await fill('k', text, await granted());
    expect((await store.get(tenant, 'k'))?.value === text).toBe(true);
  });

  const removals: [string, () => Promise<unknown>][] = [
    ['a delete', () => store.delete(tenant, 'k')],
    ['a batch delete', () => store.deleteMany(tenant, ['other', 'k'])],
    ['an invalidation of its key', () => glob('k')],
    ['an invalidation that matches it', () => glob('k*')],
    ['an invalidation of everything', () => glob('*')],
    ['a clear', () => store.clear(tenant, soon())],
  ];

  test.each(removals)('%s ends a lease: the fill is rejected', async (_, remove) => {
    const lease = await granted();
    await remove();
    expect(await fill('k', '"stale"', lease)).toBe(false);
    expect(await store.get(tenant, 'k')).toBeUndefined();
    const next = await granted();
    expect(await fill('k', '"stale"', lease)).toBe(false);
    expect(await fill('k', '"new"', next)).toBe(true);
    expect((await store.get(tenant, 'k'))?.value).toBe('"new"');
  });

  test.each(removals)('%s also ends a lease beside other entries', async (_, remove) => {
    await store.set(tenant, 'stays?', '1', 100);
    const lease = await granted();
    await remove();
    expect(await fill('k', '"stale"', lease)).toBe(false);
    expect(await store.get(tenant, 'k')).toBeUndefined();
  });

  test.each([
    ['a set', () => store.set(tenant, 'k', '"other"', 100)],
    ['a batch set', () => store.setMany(tenant, [{ key: 'k', value: '"other"', ttlSeconds: 100 }])],
  ])('%s ends a lease: the fill is rejected, and the other value stays', async (_, set) => {
    const lease = await granted();
    await set();
    expect(await fill('k', '"mine"', lease)).toBe(false);
    expect((await store.get(tenant, 'k'))?.value).toBe('"other"');
  });

  test.each<[string, () => Promise<unknown>]>([
    ['an invalidation that does not match', () => glob('x*')],
    ['a delete of another key', () => store.delete(tenant, 'x')],
    ["another tenant's clear", () => store.clear(newTenant(), soon())],
    ["another tenant's delete", () => store.delete(newTenant(), 'k')],
    ['a touch', () => store.touch(tenant, 'k', 100)],
    ['a get', () => store.get(tenant, 'k')],
    ['a release of another lease', () => store.release(tenant, 'k', newId())],
    ['a fill with another token', () => store.set(tenant, 'k', '1', 100, { lease: newId() })],
  ])('%s does not end a lease', async (_, act) => {
    const lease = await granted();
    await act();
    expect(await fill('k', '"made"', lease)).toBe(true);
    expect((await store.get(tenant, 'k'))?.value).toBe('"made"');
  });

  test('leases survive the removal of all entries of the shard', async () => {
    const keys = Array.from({ length: 64 }, (_, i) => `e:${i}`);
    const lease = await granted();
    await store.setMany(
      tenant,
      keys.map((key) => ({ key, value: '1', ttlSeconds: 100 })),
    );
    expect(await glob('e:*')).toEqual({ count: 64, complete: true });
    expect(await fill('k', '1', lease)).toBe(true);
  });

  test('a token is useless for another key, for another tenant, and without a lease', async () => {
    const { token } = await granted();
    const other = newTenant();
    expect(await store.set(tenant, 'kk', '1', 100, { lease: token })).toBe(false);
    expect(await store.set(other, 'k', '1', 100, { lease: token })).toBe(false);
    expect(await store.set(tenant, 'never', '1', 100, { lease: newId() })).toBe(false);
    await store.set(tenant, 'plain', '1', 100);
    expect(await store.set(tenant, 'plain', '2', 100, { lease: newId() })).toBe(false);
    expect(await store.getMany(tenant, ['kk', 'k', 'never'], 1e6)).toEqual([undefined, undefined, undefined]);
    expect((await store.get(tenant, 'plain'))?.value).toBe('1');
    expect(await store.get(other, 'k')).toBeUndefined();
  });

  test('removals do not count placeholders', async () => {
    await store.setMany(tenant, [
      { key: 'a:1', value: '1', ttlSeconds: 100 },
      { key: 'b:1', value: '1', ttlSeconds: 100 },
    ]);
    for (const key of ['a:lease', 'b:lease', 'c:lease']) await granted(key);
    expect(await store.delete(tenant, 'c:lease')).toBe(false);
    expect(await glob('a:*')).toEqual({ count: 1, complete: true });
    expect(await store.clear(tenant, soon())).toBe(1);
  });

  test('a released lease can be granted again, and its fill is rejected', async () => {
    const lease = await granted();
    await store.release(tenant, 'k', lease.token);
    expect(await fill('k', '1', lease)).toBe(false);
    expect(await fill('k', '2', await granted())).toBe(true);
    await store.release(tenant, 'k', lease.token);
    expect((await store.get(tenant, 'k'))?.value).toBe('2');
  });

  test('a release after the fill keeps the value', async () => {
    const lease = await granted();
    await fill('k', '1', lease);
    await store.release(tenant, 'k', lease.token);
    expect((await store.get(tenant, 'k'))?.value).toBe('1');
  });

  test('a lease that has run out is granted again, and the first fill is rejected', async () => {
    const lease = await granted('k', 1);
    await opened.pass(1100);
    expect(await fill('k', '"late"', lease)).toBe(false);
    const next = await granted();
    expect(await fill('k', '"late"', lease)).toBe(false);
    expect(await fill('k', '"next"', next)).toBe(true);
  });

  test('a value in its grace is a miss for gets, and stale for lease requests, one of which gets the lease', async () => {
    await setStale('k', '"old"');
    expect(await store.get(tenant, 'k')).toBeUndefined();
    expect(await store.getMany(tenant, ['k'], 1e6)).toEqual([undefined]);
    expect(await store.touch(tenant, 'k', 100)).toBe(false);
    const hit = { value: '"old"', bytes: 5, ttl: 0 };
    const first = await store.lease(tenant, 'k', LEASE);
    expect(first).toEqual({ hit, lease: { token: expect.any(String), ttlSeconds: LEASE } });
    expect(await store.lease(tenant, 'k', LEASE)).toEqual({ hit });
    expect(await fill('k', '"new"', first.lease as Lease)).toBe(true);
    expect((await store.get(tenant, 'k'))?.value).toBe('"new"');
  });

  test('a value without a grace is gone when its TTL ends, also for lease requests', async () => {
    await store.set(tenant, 'k', '1', 1);
    await opened.pass(1100);
    expect((await store.lease(tenant, 'k', LEASE)).hit).toBeUndefined();
  });

  test('a value is gone when its grace ends', async () => {
    await store.set(tenant, 'k', '1', 1, { graceSeconds: 1 });
    await opened.pass(2100);
    const { hit, lease } = await store.lease(tenant, 'k', LEASE);
    expect(hit).toBeUndefined();
    expect(lease).toBeDefined();
  });

  test('a stale value counts as one entry', async () => {
    await setStale('k', '1');
    expect((await store.usage(tenant)).entries).toBe(1);
    await granted();
    expect((await store.usage(tenant)).entries).toBe(1);
    expect(await glob('k*')).toEqual({ count: 1, complete: true });
    await setStale('k', '1');
    expect(await store.delete(tenant, 'k')).toBe(true);
  });

  test.each(removals)('%s ends the grace of a value and the lease on it', async (_, remove) => {
    await setStale('k', '"old"');
    const lease = await granted();
    await remove();
    expect(await fill('k', '"stale"', lease)).toBe(false);
    expect((await store.lease(tenant, 'k', LEASE)).hit).toBeUndefined();
  });

  test('a released lease on a stale value leaves the value, and can be granted again', async () => {
    await setStale('k', '"old"');
    const lease = await granted();
    await store.release(tenant, 'k', lease.token);
    expect(await fill('k', '1', lease)).toBe(false);
    const next = await store.lease(tenant, 'k', LEASE);
    expect(next.hit?.value).toBe('"old"');
    expect(next.lease).toBeDefined();
  });

  test('a lease on a stale value that has run out is granted again, and the first fill is rejected', async () => {
    await setStale('k', '"old"');
    const lease = await granted('k', 1);
    await opened.pass(1100);
    expect(await fill('k', '"late"', lease)).toBe(false);
    const next = await store.lease(tenant, 'k', LEASE);
    expect(next.hit?.value).toBe('"old"');
    expect(await fill('k', '"late"', lease)).toBe(false);
    expect(await fill('k', '"next"', next.lease as Lease)).toBe(true);
  });

  test('a lease on a stale value ends with its grace', async () => {
    await setStale('k', '"old"', 20);
    const { ttlSeconds } = await granted();
    expect(ttlSeconds).toBeLessThan(20);
    expect(ttlSeconds).toBeGreaterThan(0);
  });

  test('a touch keeps the grace of a fresh value', async () => {
    await store.set(tenant, 'k', '"kept"', 100, { graceSeconds: 1000 });
    expect(await store.touch(tenant, 'k', 1)).toBe(true);
    await opened.pass(1100);
    expect(await store.get(tenant, 'k')).toBeUndefined();
    expect((await store.lease(tenant, 'k', LEASE)).hit?.value).toBe('"kept"');
  });

  test('a fill can have a grace', async () => {
    expect(await fill('k', '"made"', await granted(), 1, 1000)).toBe(true);
    await opened.pass(1100);
    expect((await store.lease(tenant, 'k', LEASE)).hit?.value).toBe('"made"');
  });

  test('a batch of lease requests returns the result of each', async () => {
    await store.set(tenant, 'fresh', '1', 100);
    await setStale('stale', '2');
    await granted('held');
    const keys = ['fresh', 'stale', 'held', 'missing', 'missing'];
    const results = await store.leaseMany(tenant, keys, 60, 1e6);
    const lease = { token: expect.any(String), ttlSeconds: 60 };
    expect(results).toMatchObject([
      { hit: { value: '1' } },
      { hit: { value: '2', ttl: 0 }, lease },
      { retryAfterMs: expect.any(Number) },
      { lease },
      {},
    ]);
    expect(results[0]?.lease).toBeUndefined();
    expect(results[2]?.lease).toBeUndefined();
    for (const [index, key] of [
      [1, 'stale'],
      [3, 'missing'],
    ] as const) {
      expect(await fill(key, '"made"', results[index]?.lease as Lease)).toBe(true);
    }
  });

  test('a batch with leases sets the items whose leases have not ended', async () => {
    const kept = await granted('kept');
    const lost = await granted('lost');
    await store.delete(tenant, 'lost');
    const item = (key: string, lease?: string) => ({ key, value: `"${key}"`, ttlSeconds: 100, lease });
    const items = [item('kept', kept.token), item('lost', lost.token), item('plain')];
    expect(await store.setMany(tenant, items)).toEqual([true, false, true]);
    const hits = await store.getMany(tenant, ['kept', 'lost', 'plain'], 1e6);
    expect(hits.map((hit) => hit?.value)).toEqual(['"kept"', undefined, '"plain"']);
  });
});
