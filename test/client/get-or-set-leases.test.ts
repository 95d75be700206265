import { afterEach, describe, expect, test, vi } from 'vitest';
import { pollDelayMs } from '../../lib/client/get-or-set.ts';
import type { CacheClient, FetchRequest, GetOrSetOptions } from '../../lib/client/index.ts';
import {
  failure,
  granted,
  held,
  hit,
  leaseLost,
  type Move,
  miss,
  pathsOf,
  released,
  script,
  TOKEN,
  throttled,
  wasSet,
} from './scripted.ts';
import { serviceForClients } from './service.ts';

const { start } = serviceForClients();

afterEach(() => {
  vi.useRealTimers();
});

/** A lease that no test outlives: a caller that gets it has not waited for its end. */
const LONG = { lease: 300 };

/** A producer that waits for the test. */
function slowProducer<T>() {
  const work = Promise.withResolvers<T>();
  const begun = Promise.withResolvers<AbortSignal>();
  const produce = vi.fn((signal: AbortSignal) => {
    begun.resolve(signal);
    return work.promise;
  });
  return { ...work, produce, begun: begun.promise };
}

/** Clients that share nothing, as in different processes. */
function processes(count: number) {
  const first = start();
  const others = Array.from({ length: count - 1 }, () => start({ tenant: first.cache.tenant }));
  const all = [first, ...others];
  return { clients: all.map(({ cache }) => cache), reported: () => all.flatMap(({ reported }) => reported) };
}

const two = () => {
  const { clients, reported } = processes(2);
  return { one: clients[0] as CacheClient, other: clients[1] as CacheClient, reported };
};

describe('callers of one key in several processes', () => {
  test('share one producer', async () => {
    const { clients, reported } = processes(10);
    const produce = vi.fn(async () => 'produced');
    const calls = Array.from({ length: 100 }, (_, i) =>
      (clients[i % 10] as CacheClient).getOrSet('k', 60, produce, LONG),
    );
    expect(await Promise.all(calls)).toEqual(Array(100).fill('produced'));
    expect(produce).toHaveBeenCalledTimes(1);
    expect(reported()).toEqual([]);
  });

  test('wait for the value of the one that has the lease', async () => {
    const { one, other } = two();
    const { produce, begun, resolve } = slowProducer<string>();
    const first = one.getOrSet('k', 60, produce, LONG);
    await begun;
    const never = vi.fn();
    const second = other.getOrSet('k', 60, never, LONG);
    // The second one has to find the lease held before the value is there.
    expect(await other.lease('k')).toMatchObject({ found: false, retryAfterMs: expect.any(Number) });
    resolve('produced');
    expect(await Promise.all([first, second])).toEqual(['produced', 'produced']);
    expect(never).not.toHaveBeenCalled();
  });

  test('produce when the lease ends because its holder has died', async () => {
    const { one, other } = two();
    expect(await one.lease('k', { lease: 1 })).toHaveProperty('lease');
    expect(await other.getOrSet('k', 60, () => 'of the next')).toBe('of the next');
    expect(await one.get('k')).toMatchObject({ value: 'of the next' });
  });

  const failures: [string, GetOrSetOptions, Parameters<CacheClient['getOrSet']>[2]][] = [
    ['throws', {}, () => Promise.reject(new Error('the model is down'))],
    ['times out', { produceTimeoutMs: 50 }, () => new Promise(() => {})],
  ];

  test.each(failures)('produce at once if the producer %s', async (_, options, produce) => {
    const { one, other, reported } = two();
    await expect(one.getOrSet('k', 60, produce, { ...LONG, ...options })).rejects.toThrow();
    expect(await other.getOrSet('k', 60, () => 'of the next')).toBe('of the next');
    expect(reported()).toEqual([]);
  });

  test('produce at once if the callers of the producer have aborted', async () => {
    const { one, other, reported } = two();
    const { produce, begun } = slowProducer<string>();
    const controller = new AbortController();
    const call = one.getOrSet('k', 60, produce, { ...LONG, signal: controller.signal });
    await begun;
    controller.abort('enough');
    await expect(call).rejects.toBe('enough');
    expect(await other.getOrSet('k', 60, () => 'of the next')).toBe('of the next');
    expect(reported()).toEqual([]);
  });

  test.each<[string, unknown, string | undefined]>([
    ['cannot be represented by JSON', undefined, undefined],
    ['is too large', 'x'.repeat(6 * 1024 ** 2), 'PAYLOAD_TOO_LARGE'],
  ])('produce at once if the value %s', async (_, value, code) => {
    const { one, other, reported } = two();
    expect((await one.getOrSet('k', 60, () => value, LONG)) === value).toBe(true);
    expect(reported()).toEqual([{ code, operation: 'set', key: 'k' }]);
    expect(await other.getOrSet('k', 60, () => 'of the next')).toBe('of the next');
  });
});

describe('a value that was removed or replaced by another process while it was produced', () => {
  test.each<[string, (cache: CacheClient) => Promise<unknown>, object]>([
    ['delete', (cache) => cache.delete('k'), { found: false }],
    ['deleteMany', (cache) => cache.deleteMany(['k']), { found: false }],
    ['invalidate', (cache) => cache.invalidate('k*'), { found: false }],
    ['clear', (cache) => cache.clear(), { found: false }],
    ['set', (cache) => cache.set('k', 'newer'), { found: true, value: 'newer' }],
  ])('is returned and not cached: %s', async (_, remove, expected) => {
    const { one, other, reported } = two();
    const { produce, begun, resolve } = slowProducer<string>();
    const call = one.getOrSet('k', 60, produce);
    await begun;
    await remove(other);
    resolve('stale');
    expect(await call).toBe('stale');
    expect(await other.get('k')).toMatchObject(expected);
    expect(reported()).toEqual([]);
  });
});

describe("a call that starts after this client's own removal or set", () => {
  test.each<[string, (cache: CacheClient) => Promise<unknown>]>([
    ['delete', (cache) => cache.delete('k')],
    ['deleteMany', (cache) => cache.deleteMany(['other', 'k'])],
    ['invalidate', (cache) => cache.invalidate('k*')],
    ['clear', (cache) => cache.clear()],
    ['delete of a client for the same tenant', (cache) => cache.forTenant(cache.tenant).delete('k')],
  ])('does not join an earlier one: %s', async (_, remove) => {
    const { cache } = start();
    const { produce, begun, resolve } = slowProducer<string>();
    const earlier = cache.getOrSet('k', 60, produce, LONG);
    await begun;
    await remove(cache);
    expect(await cache.getOrSet('k', 60, () => 'new', LONG)).toBe('new');
    resolve('old');
    expect(await earlier).toBe('old');
    expect(await cache.get('k')).toMatchObject({ value: 'new' });
  });

  test.each<[string, (cache: CacheClient) => Promise<unknown>]>([
    ['set', (cache) => cache.set('k', 'set')],
    ['setMany', (cache) => cache.setMany([{ key: 'k', value: 'set' }])],
  ])('gets the value of the set: %s', async (_, set) => {
    const { cache } = start();
    const { produce, begun, resolve } = slowProducer<string>();
    const earlier = cache.getOrSet('k', 60, produce, LONG);
    await begun;
    await set(cache);
    expect(await cache.getOrSet('k', 60, () => 'new')).toBe('set');
    resolve('old');
    expect(await earlier).toBe('old');
  });

  test('does not join an earlier one although the removal failed', async () => {
    const server = await script(granted, failure(403, 'TENANT_MISMATCH'), hit('other'));
    const { cache } = start({ url: server.url });
    const { produce, begun, resolve } = slowProducer<string>();
    const earlier = cache.getOrSet('k', 60, produce);
    await begun;
    await expect(cache.delete('k')).rejects.toMatchObject({ status: 403 });
    expect(await cache.getOrSet('k', 60, () => 'new')).toBe('other');
    resolve('old');
    expect(await earlier).toBe('old');
  });

  test('joins those of other keys and of other tenants', async () => {
    const { cache } = start();
    const other = cache.forTenant(`${cache.tenant}.other`);
    const slow = slowProducer<string>();
    const slowOther = slowProducer<string>();
    const earlier = [cache.getOrSet('kk', 60, slow.produce), other.getOrSet('k', 60, slowOther.produce)];
    await Promise.all([slow.begun, slowOther.begun]);
    await Promise.all([cache.delete('k'), cache.deleteMany(['a', 'k'])]);
    const never = vi.fn();
    const later = [cache.getOrSet('kk', 60, never), other.getOrSet('k', 60, never)];
    await cache.clear();
    later.push(other.getOrSet('k', 60, never));
    slow.resolve('one');
    slowOther.resolve('two');
    expect(await Promise.all([...earlier, ...later])).toEqual(['one', 'two', 'one', 'two', 'two']);
    expect(never).not.toHaveBeenCalled();
  });
});

describe('the requests of a getOrSet', () => {
  const bodies = (server: { asked: { body: string }[] }) => server.asked.map(({ body }) => JSON.parse(body));

  test('are a lease request and a set with the lease, the grace and the tags', async () => {
    const server = await script(granted, wasSet);
    const { cache } = start({ url: server.url });
    await cache.getOrSet('k', 60, () => 1, { grace: 10, lease: 20, tags: ['t'] });
    expect(bodies(server)).toEqual([
      { key: 'k', lease: 20, tags: ['t'] },
      { key: 'k', value: 1, ttl: 60, grace: 10, lease: TOKEN, tags: ['t'] },
    ]);
    await cache.getOrSet('other', 60, () => 1);
    // A lease lasts as long as the producer may take.
    expect(bodies(server)[2]).toEqual({ key: 'other', lease: 60 });
    await cache.getOrSet('short', 60, () => 1, { produceTimeoutMs: 1500 });
    expect(bodies(server)[3]).toEqual({ key: 'short', lease: 2 });
  });

  test.each<[string, Move]>([
    ['a connection that breaks', 'reset'],
    ['429', throttled],
    ['503', failure(503, 'BACKEND_UNAVAILABLE')],
  ])('repeat the set after %s', async (_, move) => {
    const server = await script(granted, move, wasSet);
    const { cache, reported } = start({ url: server.url });
    expect(await cache.getOrSet('k', 60, () => 1)).toBe(1);
    expect(bodies(server)[2]).toEqual(bodies(server)[1]);
    expect(server.asked).toHaveLength(3);
    expect(reported).toEqual([]);
  });

  test('end with a rejected set: a lost lease is not an error', async () => {
    const server = await script(granted, leaseLost);
    const { cache, reported } = start({ url: server.url });
    expect(await cache.getOrSet('k', 60, () => 1)).toBe(1);
    expect(pathsOf(server)).toEqual(['lease', '']);
    expect(reported).toEqual([]);
  });

  test('are reported if the value was not cached because it took longer than its lease', async () => {
    vi.useFakeTimers({ toFake: ['performance'] });
    const server = await script(granted, leaseLost);
    const { cache, reported } = start({ url: server.url });
    const produce = () => {
      vi.advanceTimersByTime(30_000);
      return 1;
    };
    expect(await cache.getOrSet('k', 60, produce, { produceTimeoutMs: 60_000 })).toBe(1);
    expect(reported).toEqual([{ code: 'LEASE_LOST', operation: 'set', key: 'k' }]);
  });

  test('contain no set if the service cannot store leases', async () => {
    const server = await script(miss);
    const { cache, reported } = start({ url: server.url });
    expect(await cache.getOrSet('k', 60, () => 1)).toBe(1);
    expect(pathsOf(server)).toEqual(['lease']);
    expect(reported).toEqual([]);
  });

  test.each<[string, Move]>([
    ['reset', 'reset'],
    ['cut', 'cut'],
  ])('do not wait for a lease that a lost response may have granted: %s', async (_, move) => {
    const server = await script(move, held);
    const { cache, reported } = start({ url: server.url });
    expect(await cache.getOrSet('k', 60, () => 1)).toBe(1);
    expect(pathsOf(server)).toEqual(['lease', 'lease']);
    expect(reported).toEqual([]);
  });

  test('release a lease that was granted after the lookup had timed out', async () => {
    const slow = Promise.withResolvers<void>();
    const answerLate = async (url: string, request: FetchRequest) => {
      const response = await fetch(url, request);
      if (url.endsWith('/lease')) await slow.promise;
      return response;
    };
    const server = await script(granted, released);
    const { cache, reported } = start({ url: server.url, fetch: answerLate });
    expect(await cache.getOrSet('k', 60, () => 1, { timeoutMs: 1000 })).toBe(1);
    expect(reported).toEqual([{ code: 'DEADLINE_EXCEEDED', operation: 'get', key: 'k' }]);
    expect(pathsOf(server)).toEqual(['lease']);
    slow.resolve();
    await expect.poll(() => pathsOf(server)).toEqual(['lease', 'lease/release']);
    expect(bodies(server)[1]).toEqual({ key: 'k', lease: TOKEN });
  });

  test('wait for a lease that another caller has if the first one was throttled', async () => {
    const server = await script(throttled, held, hit('cached'));
    expect(await start({ url: server.url }).cache.getOrSet('k', 60, () => 1)).toBe('cached');
  });

  test('release the lease if the callers aborted while it was granted', async () => {
    const server = await script(granted, released);
    const controller = new AbortController();
    const abortAfterLookup = async (url: string, request: FetchRequest) => {
      const response = await fetch(url, request);
      controller.abort('enough');
      return response;
    };
    const { cache, reported } = start({ url: server.url, fetch: abortAfterLookup });
    const produce = vi.fn();
    await expect(cache.getOrSet('k', 60, produce, { signal: controller.signal })).rejects.toBe('enough');
    await expect.poll(() => pathsOf(server)).toEqual(['lease', 'lease/release']);
    expect(produce).not.toHaveBeenCalled();
    expect(reported).toEqual([]);
  });

  test('still set the value if the callers abort after it was produced', async () => {
    const server = await script(granted, wasSet);
    const controller = new AbortController();
    const abortBeforeSet = (url: string, request: FetchRequest) => {
      if (!url.endsWith('lease')) controller.abort('enough');
      return fetch(url, request);
    };
    const { cache } = start({ url: server.url, fetch: abortBeforeSet });
    await expect(cache.getOrSet('k', 60, () => 1, { signal: controller.signal })).rejects.toBe('enough');
    await expect.poll(() => pathsOf(server)).toEqual(['lease', '']);
  });

  test('release the lease after the producer failed, and ignore that this fails', async () => {
    const server = await script(granted, failure(500, 'INTERNAL_SERVER_ERROR'));
    const { cache, reported } = start({ url: server.url });
    const failed = new Error('the model is down');
    await expect(cache.getOrSet('k', 60, () => Promise.reject(failed))).rejects.toBe(failed);
    expect(pathsOf(server)).toEqual(['lease', 'lease/release']);
    expect(bodies(server)[1]).toEqual({ key: 'k', lease: TOKEN });
    expect(reported).toEqual([]);
  });
});

describe('a caller that waits', () => {
  test('returns the value as soon as it is cached', async () => {
    const server = await script(held, held, hit('cached'));
    const { cache } = start({ url: server.url });
    const produce = vi.fn();
    expect(await cache.getOrSet('k', 60, produce)).toBe('cached');
    expect(pathsOf(server)).toEqual(['lease', 'lease', 'lease']);
    expect(produce).not.toHaveBeenCalled();
  });

  test('produces and sets when it gets the lease', async () => {
    const server = await script(held, granted, wasSet);
    const { cache } = start({ url: server.url });
    expect(await cache.getOrSet('k', 60, () => 'produced')).toBe('produced');
    expect(pathsOf(server)).toEqual(['lease', 'lease', '']);
  });

  test('produces and does not set if a lookup fails', async () => {
    const server = await script(held, failure(500, 'INTERNAL_SERVER_ERROR'));
    const { cache, reported } = start({ url: server.url });
    expect(await cache.getOrSet('k', 60, () => 'produced')).toBe('produced');
    expect(pathsOf(server)).toEqual(['lease', 'lease']);
    expect(reported).toEqual([{ code: 'INTERNAL_SERVER_ERROR', operation: 'get', key: 'k' }]);
  });

  test('produces after produceTimeoutMs, and does not set the value', async () => {
    const server = await script(held);
    const { cache, reported } = start({ url: server.url });
    expect(await cache.getOrSet('k', 60, () => 1, { produceTimeoutMs: 80 })).toBe(1);
    expect(new Set(pathsOf(server))).toEqual(new Set(['lease']));
    expect(reported).toEqual([]);
  });

  test('stops when its signal fires, while others still wait', async () => {
    let move: Move = held;
    const server = await script(() => move);
    const { cache } = start({ url: server.url });
    const controller = new AbortController();
    const leaving = cache.getOrSet('k', 60, () => 1, { signal: controller.signal });
    const staying = cache.getOrSet('k', 60, () => 2);
    await expect.poll(() => server.asked.length).toBeGreaterThan(1);
    controller.abort('enough');
    await expect(leaving).rejects.toBe('enough');
    move = hit('cached');
    expect(await staying).toBe('cached');
  });

  test('asks again after the time that the service says, a quarter more or less, and at least 50 ms', () => {
    const delaysMs = Array.from({ length: 2000 }, () => pollDelayMs(1000));
    expect(Math.min(...delaysMs)).toBeGreaterThanOrEqual(750);
    expect(Math.max(...delaysMs)).toBeLessThanOrEqual(1250);
    expect(Math.max(...delaysMs) - Math.min(...delaysMs)).toBeGreaterThan(300);
    expect(new Set(delaysMs).size).toBeGreaterThan(1000);
    for (const retryAfterMs of [0, 1, 10]) expect(pollDelayMs(retryAfterMs)).toBe(50);
  });
});

describe('with a service that is older than leases', () => {
  /** @param reply to a lease request */
  const older = (reply: Move) =>
    script((asked) => {
      if (asked.target.endsWith('/lease')) return reply;
      return asked.method === 'GET' ? miss : wasSet;
    });

  test.each<[string, Move]>([
    ['the local server', failure(405, 'METHOD_NOT_ALLOWED')],
    ['a service with another route table', failure(404, 'NOT_FOUND')],
    ['API Gateway', { status: 404, body: { message: 'Not Found' } }],
  ])('a call gets, produces and sets without a lease: %s', async (_, reply) => {
    const server = await older(reply);
    const { cache, reported } = start({ url: server.url });
    expect(await cache.getOrSet('k', 60, () => 1, { grace: 5 })).toBe(1);
    expect(pathsOf(server)).toEqual(['lease', '', '']);
    expect(JSON.parse(server.asked[2]?.body ?? '')).toEqual({ key: 'k', value: 1, ttl: 60, grace: 5 });
    expect(reported).toEqual([]);
  });

  test('later calls request no lease, until five minutes have passed', async () => {
    vi.useFakeTimers({ toFake: ['performance'] });
    const server = await older(failure(405, 'METHOD_NOT_ALLOWED'));
    const { cache } = start({ url: server.url });
    await cache.getOrSet('a', 60, () => 1);
    await cache.getOrSet('b', 60, () => 1);
    await cache.forTenant('other').getOrSet('c', 60, () => 1);
    vi.advanceTimersByTime(299_000);
    await cache.getOrSet('d', 60, () => 1);
    expect(pathsOf(server).filter((path) => path === 'lease')).toHaveLength(1);
    vi.advanceTimersByTime(1001);
    await cache.getOrSet('e', 60, () => 1);
    expect(pathsOf(server).filter((path) => path === 'lease')).toHaveLength(2);
  });

  test('a wrong URL is still reported, by each call', async () => {
    const server = await script(failure(404, 'NOT_FOUND'));
    const { cache, reported } = start({ url: server.url });
    for (const key of ['a', 'b']) expect(await cache.getOrSet(key, 60, () => 1)).toBe(1);
    expect(reported.map(({ code, operation }) => `${operation} ${code}`)).toEqual([
      'get NOT_FOUND',
      'get NOT_FOUND',
    ]);
    expect(pathsOf(server)).toEqual(['lease', '', 'lease', '']);
  });
});
