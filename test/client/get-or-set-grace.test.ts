import { describe, expect, test, vi } from 'vitest';
import type { CacheClient } from '../../lib/client/index.ts';
import { granted, pathsOf, released, script, stale, wasSet } from './scripted.ts';
import { serviceForClients } from './service.ts';

const { start } = serviceForClients();

const failed = new Error('the model is down');
const fail = () => Promise.reject(failed);
const hang = () => new Promise<never>(() => {});

/** Sets a value whose TTL has passed by the server's clock, which grants leases, and whose grace lasts. */
async function setStale(cache: CacheClient, key: string, value: unknown): Promise<void> {
  await cache.set(key, value, { ttl: 1, grace: 1000 });
  const isStale = async () => (await cache.keys({ pattern: key }).next()).value?.stale;
  await expect.poll(isStale, { timeout: 20_000 }).toBe(true);
}

describe('a value in its grace', () => {
  test('is returned at once to all callers but the one that produces', async () => {
    const { cache } = start();
    const other = start({ tenant: cache.tenant }).cache;
    await setStale(cache, 'k', 'old');
    const work = Promise.withResolvers<string>();
    const begun = Promise.withResolvers<void>();
    const produce = vi.fn(() => {
      begun.resolve();
      return work.promise;
    });
    const ask = (client: CacheClient) => client.getOrSet('k', 60, produce, { grace: 1000, lease: 300 });
    const sameTime = [ask(cache), ask(cache), ask(cache)];
    await begun.promise;
    expect(await Promise.all([sameTime[1], sameTime[2], ask(cache), ask(other)])).toEqual(
      Array(4).fill('old'),
    );
    work.resolve('new');
    expect(await sameTime[0]).toBe('new');
    expect(produce).toHaveBeenCalledTimes(1);
    expect(await other.get('k')).toMatchObject({ value: 'new' });
    expect(await ask(other)).toBe('new');
  });

  test('is returned without a lease, and nothing is produced', async () => {
    const server = await script(stale('old', false));
    const { cache, reported } = start({ url: server.url });
    const produce = vi.fn();
    expect(await cache.getOrSet('k', 60, produce)).toBe('old');
    expect(pathsOf(server)).toEqual(['lease']);
    expect(produce).not.toHaveBeenCalled();
    expect(reported).toEqual([]);
  });

  test.each<[string, () => Promise<never>, unknown]>([
    ['throws', fail, undefined],
    ['times out', hang, 'DEADLINE_EXCEEDED'],
  ])(
    'is returned if the producer %s: the lease is released, and onError is called',
    async (_, produce, code) => {
      const server = await script(stale('old', true), released);
      const { cache, reported } = start({ url: server.url });
      expect(await cache.getOrSet<unknown>('k', 60, produce, { produceTimeoutMs: 50 })).toBe('old');
      expect(pathsOf(server)).toEqual(['lease', 'lease/release']);
      expect(reported).toEqual([{ code, operation: 'produce', key: 'k' }]);
    },
  );

  test('is produced again by the next caller after a producer failed', async () => {
    const { cache } = start();
    const other = start({ tenant: cache.tenant }).cache;
    await setStale(cache, 'k', 'old');
    expect(await cache.getOrSet('k', 60, fail, { lease: 300 })).toBe('old');
    expect(await other.getOrSet('k', 60, () => 'new', { lease: 300 })).toBe('new');
    expect(await cache.get('k')).toMatchObject({ value: 'new' });
  });

  test('does not hide that the caller of the producer aborted', async () => {
    const server = await script(stale('old', true), released);
    const { cache, reported } = start({ url: server.url });
    const controller = new AbortController();
    let seen: AbortSignal | undefined;
    const produce = (signal: AbortSignal) => {
      seen = signal;
      setImmediate(() => controller.abort('enough'));
      return hang();
    };
    await expect(cache.getOrSet('k', 60, produce, { signal: controller.signal })).rejects.toBe('enough');
    expect(seen?.aborted).toBe(true);
    await expect.poll(() => pathsOf(server)).toEqual(['lease', 'lease/release']);
    expect(reported).toEqual([]);
  });

  test('does not hide an error by which a framework ends a render', async () => {
    const server = await script(stale('old', true), released);
    const { cache, reported } = start({ url: server.url });
    const redirect = Object.assign(new Error('NEXT_REDIRECT'), { digest: 'NEXT_REDIRECT;replace;/;307;' });
    await expect(cache.getOrSet('k', 60, () => Promise.reject(redirect))).rejects.toBe(redirect);
    expect(reported).toEqual([]);
  });
});

describe('with waitUntil', () => {
  /** A `waitUntil`, and the promises that it received. */
  function collect() {
    const promises: Promise<unknown>[] = [];
    return { promises, waitUntil: (promise: Promise<unknown>) => void promises.push(promise) };
  }

  test('a stale value is returned at once, and the next one is produced in the background', async () => {
    const server = await script(stale('old', true), wasSet);
    const { cache, reported } = start({ url: server.url });
    const { promises, waitUntil } = collect();
    const work = Promise.withResolvers<string>();
    const controller = new AbortController();
    let seen: AbortSignal | undefined;
    const produce = (signal: AbortSignal) => {
      seen = signal;
      return work.promise;
    };
    const { signal } = controller;
    expect(await cache.getOrSet('k', 60, produce, { grace: 10, waitUntil, signal })).toBe('old');
    controller.abort('the response was sent');
    expect(seen?.aborted).toBe(false);
    expect(promises).toHaveLength(1);
    expect(pathsOf(server)).toEqual(['lease']);
    work.resolve('new');
    await promises[0];
    expect(pathsOf(server)).toEqual(['lease', '']);
    expect(JSON.parse(server.asked[1]?.body ?? '')).toMatchObject({
      key: 'k',
      value: 'new',
      ttl: 60,
      grace: 10,
    });
    expect(reported).toEqual([]);
  });

  test('a producer that fails in the background is reported, and its lease is released', async () => {
    const server = await script(stale('old', true), released);
    const { cache, reported } = start({ url: server.url });
    const { promises, waitUntil } = collect();
    expect(await cache.getOrSet('k', 60, fail, { waitUntil })).toBe('old');
    await expect(promises[0]).resolves.not.toThrow();
    expect(pathsOf(server)).toEqual(['lease', 'lease/release']);
    expect(reported).toEqual([{ code: undefined, operation: 'produce', key: 'k' }]);
  });

  test('a producer that throws synchronously, or what a framework throws, causes no unhandled rejection', async () => {
    const unhandled = vi.fn();
    process.on('unhandledRejection', unhandled);
    const server = await script((asked) =>
      asked.target.endsWith('/release') ? released : stale('old', true),
    );
    const { cache } = start({ url: server.url });
    const { promises, waitUntil } = collect();
    for (const error of [failed, Object.assign(new Error('redirect'), { digest: 'NEXT_REDIRECT' })]) {
      const produce = (): string => {
        throw error;
      };
      expect(await cache.getOrSet('k', 60, produce, { waitUntil })).toBe('old');
    }
    await Promise.all(promises);
    await new Promise(setImmediate);
    process.off('unhandledRejection', unhandled);
    expect(unhandled).not.toHaveBeenCalled();
  });

  test('a waitUntil that throws is reported, and the stale value is returned', async () => {
    const server = await script(stale('old', true), wasSet);
    const { cache, reported } = start({ url: server.url });
    const waitUntil = () => {
      throw Object.assign(new TypeError('Illegal invocation'), { code: 'ILLEGAL' });
    };
    expect(await cache.getOrSet('k', 60, () => 'new', { waitUntil })).toBe('old');
    expect(reported).toEqual([{ code: 'ILLEGAL', operation: 'produce', key: 'k' }]);
    await expect.poll(() => pathsOf(server)).toEqual(['lease', '']);
  });

  test('a missing value is produced before the call returns', async () => {
    const server = await script(granted, wasSet);
    const { cache } = start({ url: server.url });
    const { promises, waitUntil } = collect();
    expect(await cache.getOrSet('k', 60, () => 'produced', { waitUntil })).toBe('produced');
    expect(promises).toEqual([]);
  });
});
