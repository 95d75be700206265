import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { FetchRequest } from '../../lib/client/index.ts';
import { Outage } from '../../lib/client/outage.ts';
import { freePort, LOOPBACK } from '../support/engines/ports.ts';
import { failure, granted, hit, type Move, script, wasSet } from './scripted.ts';
import { serviceForClients } from './service.ts';

const { start } = serviceForClients();

// Only this clock, by which the client remembers: requests and their timeouts take the time that they take.
beforeEach(() => {
  vi.useFakeTimers({ toFake: ['performance'] });
});
afterEach(() => {
  vi.useRealTimers();
});

const SILENT_MS = 50;
/** Longer than the client remembers the first lookup that failed. */
const PAUSE_MS = 1000;

/** A client that gives a lookup little time, and the requests that it has sent, arrived or not. */
function impatient(url: string) {
  const sent: string[] = [];
  const watching = (target: string, request: FetchRequest) => {
    sent.push(`${request.method} ${new URL(target).pathname.replace('/api/v1/', '')}`);
    return fetch(target, request);
  };
  return { sent, ...start({ url, timeoutMs: SILENT_MS, fetch: watching }) };
}

/** For a lookup that is answered, on a machine that may be busy. */
const patient = { timeoutMs: 20_000 };

describe('after a lookup that found the cache unavailable', () => {
  test.each<[string, Move | 'refused']>([
    ['silent', 'hang'],
    ['not listening', 'refused'],
    ['breaking connections', 'reset'],
    ['answering 502', { status: 502, body: '' }],
    ['answering 503', failure(503, 'BACKEND_UNAVAILABLE', {}, { 'retry-after': '1' })],
    ['answering 504', { status: 504, body: '' }],
  ])('the produced value is not set, and the next calls only produce: %s', async (_, move) => {
    const server = await script(move === 'refused' ? 'hang' : move);
    const url = move === 'refused' ? `http://${LOOPBACK}:${await freePort()}` : server.url;
    const { cache, reported, sent } = impatient(url);
    expect(await cache.getOrSet('k', 60, () => 'one')).toBe('one');
    const lookups = sent.length;
    expect(await cache.getOrSet('k', 60, () => 'two')).toBe('two');
    expect(await cache.getOrSet('other', 60, () => 'three')).toBe('three');
    expect(await cache.forTenant('other').getOrSet('k', 60, () => 'four')).toBe('four');
    expect(sent).toEqual(Array(lookups).fill('POST cache/lease'));
    expect(reported.map(({ operation }) => operation)).toEqual(['get']);
  });

  test('get and set are still sent', async () => {
    const server = await script('hang');
    const { cache, sent } = impatient(server.url);
    await cache.getOrSet('k', 60, () => 'produced');
    await cache.get('k').catch(() => {});
    await cache.set('k', 1).catch(() => {});
    expect(sent).toEqual(['POST cache/lease', 'GET cache', 'POST cache']);
  });

  test('one call probes the cache, and if it answers all calls use it again', async () => {
    let move: Move = 'hang';
    const server = await script(() => move);
    const { cache, sent } = impatient(server.url);
    expect(await cache.getOrSet('k', 60, () => 'produced')).toBe('produced');
    vi.advanceTimersByTime(PAUSE_MS);
    move = hit('cached');
    const values = await Promise.all(
      ['a', 'b', 'c'].map((key) => cache.getOrSet(key, 60, () => 'produced', patient)),
    );
    expect(values).toEqual(['cached', 'produced', 'produced']);
    expect(await cache.getOrSet('d', 60, () => 'produced', patient)).toBe('cached');
    expect(sent).toHaveLength(3);
  });

  test('a call that finds it still unavailable is reported, and the calls after it again only produce', async () => {
    const server = await script('hang');
    const { cache, reported, sent } = impatient(server.url);
    await cache.getOrSet('k', 60, () => 1);
    vi.advanceTimersByTime(PAUSE_MS);
    for (const key of ['a', 'b', 'c']) await cache.getOrSet(key, 60, () => 1);
    expect(sent).toHaveLength(2);
    expect(reported.map(({ operation, key }) => `${operation} ${key}`)).toEqual(['get k', 'get a']);
  });
});

describe('a lookup does not make the cache count as unavailable', () => {
  test('when another lookup got a response meanwhile', async () => {
    const server = await script(hit('cached'));
    const broken = Promise.withResolvers<never>();
    let requests = 0;
    const { cache } = start({
      ...{ url: server.url, retries: 0 },
      fetch: (url, request) => (requests++ === 0 ? broken.promise : fetch(url, request)),
    });
    const slow = cache.getOrSet('slow', 60, () => 'produced', patient);
    vi.advanceTimersByTime(1);
    expect(await cache.getOrSet('a', 60, () => 'produced', patient)).toBe('cached');
    broken.reject(new TypeError('fetch failed'));
    expect(await slow).toBe('produced');
    expect(await cache.getOrSet('b', 60, () => 'produced', patient)).toBe('cached');
  });

  test("when its timeoutMs was below the client's", async () => {
    let move: Move = 'hang';
    const server = await script(() => move);
    const { cache } = start({ url: server.url });
    const options = { timeoutMs: SILENT_MS };
    expect(await cache.getOrSet('a', 60, () => 'produced', options)).toBe('produced');
    move = hit('cached');
    expect(await cache.getOrSet('a', 60, () => 'produced', patient)).toBe('cached');
  });

  test.each([429, 403, 500])('when it returned %d', async (status) => {
    const server = await script({ status, body: '' });
    const { cache, reported } = start({ url: server.url, retries: 0 });
    for (const key of ['a', 'b']) await cache.getOrSet(key, 60, () => 'produced', patient);
    expect(reported.map(({ operation }) => operation)).toEqual(['get', 'get']);
  });

  test('when its callers have aborted', async () => {
    const server = await script('hang', granted, wasSet);
    const { cache, reported } = start({ url: server.url });
    const controller = new AbortController();
    const call = cache.getOrSet('k', 60, () => 1, { signal: controller.signal, timeoutMs: 60_000 });
    await expect.poll(() => server.asked.length).toBe(1);
    controller.abort('enough');
    await expect(call).rejects.toBe('enough');
    await cache.getOrSet('k', 60, () => 1, patient);
    expect(server.asked).toHaveLength(3);
    expect(reported).toEqual([]);
  });
});

test('the pause after failed lookups doubles from 1 s up to 10 s, half of it random, until one gets a response', () => {
  const pausesMs = Array.from({ length: 200 }, () => {
    const outage = new Outage();
    outage.recordFailure(performance.now());
    return Array.from({ length: 7 }, () => {
      const startedMonotonicMs = performance.now();
      while (!outage.mayTry()) vi.advanceTimersByTime(10);
      return performance.now() - startedMonotonicMs;
    });
  });
  for (const [index, most] of [1000, 2000, 4000, 8000, 10_000, 10_000, 10_000].entries()) {
    const all = pausesMs.map((pauses) => pauses[index] as number);
    expect(Math.min(...all)).toBeGreaterThanOrEqual(most / 2);
    expect(Math.max(...all)).toBeLessThanOrEqual(most + 10);
    expect(new Set(all).size).toBeGreaterThan(10);
  }
});
