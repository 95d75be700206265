import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { CacheClient, CacheError, type ClientOptions, type FetchRequest } from '../../lib/client/index.ts';
import { retryDelayMs } from '../../lib/client/retry.ts';
import { freePort, LOOPBACK } from '../support/engines/ports.ts';
import {
  failure,
  granted,
  hit,
  type Move,
  miss,
  released,
  script,
  success,
  TOKEN,
  throttled,
  unavailable,
  wasSet,
} from './scripted.ts';

type Call = (cache: CacheClient) => Promise<unknown>;

const clientOf = ({ url }: { url: string }, options: Partial<ClientOptions> = {}) =>
  new CacheClient({ url, tenant: 't', ...options });

/** What does no harm when it is done twice, and an answer to it. */
const harmless: [string, Call, Move][] = [
  ['get', (cache) => cache.get('k'), miss],
  ['getMany', (cache) => cache.getMany(['k']), success({ items: [{ key: 'k', found: false }] })],
  ['lease', (cache) => cache.lease('k'), granted],
  ['release', (cache) => cache.release('k', TOKEN), released],
  ['set with a lease', (cache) => cache.set('k', 1, { lease: TOKEN }), wasSet],
  [
    'setMany with leases',
    (cache) => cache.setMany([{ key: 'k', value: 1, lease: TOKEN }]),
    success({ items: [{ key: 'k', status: 'set', ttl: 300 }] }, 201),
  ],
  ['usage', (cache) => cache.usage(), success({ tenant_id: 't', entries: 0, bytes: {}, backend: 'memory' })],
  ['health', (cache) => cache.health(), { status: 200, body: { status: 'healthy' } }],
  ['delete', (cache) => cache.delete('k'), { status: 204 }],
  ['deleteMany', (cache) => cache.deleteMany(['k']), success({ count: 1 })],
  ['invalidate', (cache) => cache.invalidate('k*'), success({ pattern: 'k*', count: 1 })],
  ['invalidateTags', (cache) => cache.invalidateTags(['a']), success({ tags: ['a'], count: 1 })],
  ['keys', (cache) => cache.keys().next(), success({ keys: [], cursor: null })],
  ['clear', (cache) => cache.clear(), { status: 204 }],
];

const sets: [string, Call, Move][] = [
  ['set', (cache) => cache.set('k', 1), wasSet],
  ['touch', (cache) => cache.touch('k', 60), success({ key: 'k', found: true, ttl: 60 })],
  [
    'setMany',
    (cache) =>
      cache.setMany([
        { key: 'k', value: 1 },
        { key: 'filled', value: 1, lease: TOKEN },
      ]),
    success({ items: [{ key: 'k', ttl: 300 }] }, 201),
  ],
];

const bare = (status: number): Move => ({ status, body: { message: 'from in front' } });

describe.each(harmless)('%s', (_, call, answer) => {
  test.each<[string, Move]>([
    ['a connection that breaks', 'reset'],
    ['an answer that breaks off', 'cut'],
    ['429', throttled],
    ['502', bare(502)],
    ['503', unavailable],
    ['504', bare(504)],
  ])('is retried after %s', async (_, move) => {
    const server = await script(move, answer);
    await call(clientOf(server));
    expect(server.asked).toHaveLength(2);
  });

  test.each([400, 401, 403, 404, 413, 500])('is not retried after %d', async (status) => {
    const server = await script(bare(status), answer);
    await expect(call(clientOf(server))).rejects.toMatchObject({ status });
    expect(server.asked).toHaveLength(1);
  });

  test('fails after the maximum number of retries', async () => {
    const server = await script(unavailable);
    await expect(call(clientOf(server))).rejects.toMatchObject({ code: 'HTTP_503' });
    expect(server.asked).toHaveLength(3);
    await expect(call(clientOf(server, { retries: 0 }))).rejects.toMatchObject({ code: 'HTTP_503' });
    expect(server.asked).toHaveLength(4);
  });
});

describe.each(sets)('%s, which could arrive late and undo an invalidation', (_, call, answer) => {
  test.each<[string, Move]>([
    ['a connection that breaks', 'reset'],
    ['an answer that breaks off', 'cut'],
    ['502', bare(502)],
    ['503', unavailable],
    ['503 of the backend', failure(503, 'BACKEND_UNAVAILABLE')],
    ['504', bare(504)],
  ])('is not retried after %s', async (_, move) => {
    const server = await script(move, answer);
    await expect(call(clientOf(server))).rejects.toThrow();
    expect(server.asked).toHaveLength(1);
  });

  test('is retried after a 429', async () => {
    const server = await script(throttled, answer);
    await call(clientOf(server));
    expect(server.asked).toHaveLength(2);
  });

  test('is retried if no connection was made', async () => {
    const nowhere = `http://${LOOPBACK}:${await freePort()}`;
    const server = await script(answer);
    let tries = 0;
    const lateServer = (url: string, request: FetchRequest) =>
      fetch(tries++ === 0 ? url : url.replace(nowhere, server.url), request);
    await call(clientOf({ url: nowhere }, { fetch: lateServer }));
    expect([tries, server.asked.length]).toEqual([2, 1]);
  });
});

describe.each(sets)('%s that was not sent', (_, call, answer) => {
  // As runtimes name them, some of which put them on a cause.
  test.each([
    ...['ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH', 'UND_ERR_CONNECT_TIMEOUT'],
    ...['ConnectionRefused', 'FailedToOpenSocket'],
  ])('is retried: %s', async (code) => {
    const server = await script(answer);
    for (const error of [
      Object.assign(new Error(code), { code }),
      new TypeError('fetch failed', { cause: { code } }),
    ]) {
      let tries = 0;
      const fails = (url: string, request: FetchRequest) =>
        tries++ === 0 ? Promise.reject(error) : fetch(url, request);
      await call(clientOf(server, { fetch: fails }));
      expect(tries).toBe(2);
    }
  });
});

describe('a retry', () => {
  test('is delayed by at most two seconds plus Retry-After', () => {
    const error = new CacheError({ message: 'again' });
    const waits = Array.from({ length: 2000 }, (_, retries) => retryDelayMs(retries, error));
    expect(Math.max(...waits)).toBeLessThanOrEqual(2000);
    expect(Math.max(...waits)).toBeGreaterThan(1500);
    expect(
      retryDelayMs(2000, new CacheError({ message: 'later', retryAfterMs: 5000 })),
    ).toBeGreaterThanOrEqual(5000);
  });

  test('waits for the time of Retry-After', async () => {
    const times: number[] = [];
    const now =
      (move: Move): Move =>
      () => {
        times.push(performance.now());
        return move;
      };
    const server = await script(
      now(failure(503, 'BACKEND_UNAVAILABLE', {}, { 'retry-after': '1' })),
      now(miss),
    );
    await clientOf(server).get('k');
    expect((times[1] as number) - (times[0] as number)).toBeGreaterThanOrEqual(990);
  });

  test('that would start after the deadline is not waited for', async () => {
    const server = await script(failure(503, 'BACKEND_UNAVAILABLE', {}, { 'retry-after': '3600' }));
    await expect(clientOf(server).get('k')).rejects.toMatchObject({ code: 'BACKEND_UNAVAILABLE' });
    expect(server.asked).toHaveLength(1);
  });

  test('ends at the deadline of the call', async () => {
    let asked = 0;
    const slowly = async () => {
      asked++;
      await sleep(20);
      throw new TypeError('fetch failed');
    };
    const cache = clientOf({ url: 'http://localhost' }, { fetch: slowly, retries: 1e9, timeoutMs: 500 });
    await expect(cache.get('k')).rejects.toMatchObject({
      code: expect.stringMatching(/CONNECTION|DEADLINE/),
    });
    const before = asked;
    expect(before).toBeGreaterThan(1);
    await sleep(200);
    expect(asked).toBe(before);
  });

  test('has the same correlation id and another request id', async () => {
    const server = await script(unavailable, unavailable, miss);
    await clientOf(server).get('k');
    const header = (name: string) => new Set(server.asked.map(({ headers }) => headers[name]));
    expect(header('x-correlation-id').size).toBe(1);
    expect(header('x-request-id').size).toBe(3);
  });

  test('is signed again', async () => {
    const server = await script(unavailable, hit(1));
    let token = 0;
    await clientOf(server, { authorize: () => ({ Authorization: `Bearer ${++token}` }) }).get('k');
    expect(server.asked.map(({ headers }) => headers.authorization)).toEqual(['Bearer 1', 'Bearer 2']);
  });
});

describe('an invalidation that the service does not complete', () => {
  const incomplete = (count: number, headers = {}) =>
    failure(503, 'INVALIDATION_INCOMPLETE', { count }, headers);

  test('is repeated more often than retries allow, and returns the sum of the counts', async () => {
    const steps = [1000, 500, 250, 125, 60].map((count) => incomplete(count));
    const server = await script(incomplete(2000), ...steps, success({ pattern: 'k*', count: 7 }));
    expect(await clientOf(server).invalidate('k*')).toBe(3942);
    expect(server.asked.map(({ body }) => body)).toEqual(Array(7).fill('{"pattern":"k*"}'));
  });

  test('by tags is repeated as well, for each 16 tags one after the other, and returns the sum of the counts', async () => {
    const done = (count: number) => success({ tags: [], count });
    const server = await script(incomplete(100), done(20), incomplete(3), done(0));
    const tags = Array.from({ length: 20 }, (_, i) => `t:${i}`);
    expect(await clientOf(server).invalidateTags(tags)).toBe(123);
    const sent = [tags.slice(0, 16), tags.slice(0, 16), tags.slice(16), tags.slice(16)];
    expect(server.asked.map(({ body }) => JSON.parse(body))).toEqual(sent.map((tags) => ({ tags })));
  });

  test('by more than 16 tags reports the count of all its requests when time runs out', async () => {
    const tags = Array.from({ length: 20 }, (_, i) => `t:${i}`);
    const stuck = await script(success({ tags: [], count: 20 }), incomplete(3), incomplete(0));
    const incompleteError = { code: 'INVALIDATION_INCOMPLETE', count: 23 };
    await expect(clientOf(stuck).invalidateTags(tags)).rejects.toMatchObject(incompleteError);
    const hanging = await script(success({ tags: [], count: 20 }), incomplete(3), 'hang');
    const call = clientOf(hanging).invalidateTags(tags, { timeoutMs: 500 });
    await expect(call).rejects.toMatchObject(incompleteError);
  });

  test('waits for Retry-After in between, and reports the count when time runs out', async () => {
    const server = await script(incomplete(10, { 'retry-after': '3600' }));
    await expect(clientOf(server).invalidate('k*')).rejects.toMatchObject({
      name: 'InvalidationIncompleteError',
      count: 10,
      details: { count: 10 },
    });
  });

  test('reports the count when time runs out during a repetition', async () => {
    const server = await script(incomplete(10), incomplete(5), 'hang');
    const error = clientOf(server).invalidate('k*', { timeoutMs: 500 });
    await expect(error).rejects.toMatchObject({ code: 'INVALIDATION_INCOMPLETE', count: 15 });
  });

  test('fails if a request removed nothing', async () => {
    const server = await script(incomplete(3), incomplete(0));
    await expect(clientOf(server).invalidate('*k')).rejects.toMatchObject({ count: 3 });
    expect(server.asked).toHaveLength(2);
  });

  test('fails with any other error', async () => {
    const server = await script(incomplete(3), bare(403));
    await expect(clientOf(server).invalidate('*k')).rejects.toMatchObject({ code: 'HTTP_403' });
  });
});
