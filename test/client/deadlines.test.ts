import { execFile } from 'node:child_process';
import { getEventListeners, once } from 'node:events';
import { promisify } from 'node:util';
import { describe, expect, test, vi } from 'vitest';
import { CacheClient } from '../../lib/client/index.ts';
import { hit, miss, script, unavailable } from './scripted.ts';

const CLIENT = new URL('../../lib/client/index.ts', import.meta.url).href;

describe('a call', () => {
  test('to a service that hangs rejects at its deadline', async () => {
    const server = await script('hang');
    const cache = new CacheClient({ url: server.url, tenant: 't', timeoutMs: 50 });
    // Longer, for what is counted: on a busy machine a request may take this long to arrive.
    const { message, ...error } = await cache
      .get('k', { correlationId: 'chain-1', timeoutMs: 1000 })
      .catch((reason) => reason);
    expect(error).toMatchObject({
      name: 'DeadlineError',
      code: 'DEADLINE_EXCEEDED',
      correlationId: 'chain-1',
    });
    expect(server.asked).toHaveLength(1);
    await expect(cache.set('k', 1)).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED' });
    await expect(cache.getMany(['k'])).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED' });
  });

  test('may have another timeout than the client', async () => {
    const server = await script('hang');
    const cache = new CacheClient({ url: server.url, tenant: 't', timeoutMs: 600_000 });
    await expect(cache.get('k', { timeoutMs: 50 })).rejects.toThrow('50 ms');
    await expect(cache.clear({ timeoutMs: 50 })).rejects.toThrow('50 ms');
    await expect(cache.invalidate('k', { timeoutMs: 50 })).rejects.toThrow('50 ms');
  });

  test.each<[string, number | undefined, number, (cache: CacheClient) => Promise<unknown>]>([
    ['a get', undefined, 10_000, (cache) => cache.get('k')],
    ['a get', 90_000, 90_000, (cache) => cache.get('k')],
    ['an invalidation', undefined, 60_000, (cache) => cache.invalidate('k*')],
    ['an invalidation', 5000, 60_000, (cache) => cache.invalidate('k*')],
    ['an invalidation', 90_000, 90_000, (cache) => cache.invalidate('k*')],
    ['an invalidation of tags', undefined, 60_000, (cache) => cache.invalidateTags(['a'])],
    ['a request for keys', undefined, 10_000, (cache) => cache.keys().next()],
    ['a clear', undefined, 60_000, (cache) => cache.clear()],
    ['a clear', 5000, 60_000, (cache) => cache.clear()],
    ['a clear', 90_000, 90_000, (cache) => cache.clear()],
    ['the lookup of a getOrSet', undefined, 1000, (cache) => cache.getOrSet('k', 1, () => 1)],
    ['the lookup of a getOrSet', 400, 400, (cache) => cache.getOrSet('k', 1, () => 1)],
    ['the lookup of a getOrSetMany', undefined, 1000, (cache) => cache.getOrSetMany(['k'], 1, () => [1])],
    ['a lease', undefined, 10_000, (cache) => cache.lease('k')],
  ])(
    'has the default timeout: %s with timeoutMs %s of the client has %d ms',
    async (_, timeoutMs, ms, call) => {
      vi.useFakeTimers();
      try {
        const deaf = () => new Promise<never>(() => {});
        const given = timeoutMs === undefined ? {} : { timeoutMs };
        let ended = false;
        const end = () => {
          ended = true;
        };
        call(new CacheClient({ url: 'http://localhost', tenant: 't', fetch: deaf, ...given })).then(end, end);
        await vi.advanceTimersByTimeAsync(ms - 1);
        expect(ended).toBe(false);
        await vi.advanceTimersByTimeAsync(1);
        expect(ended).toBe(true);
      } finally {
        vi.useRealTimers();
      }
    },
  );

  test('accepts Infinity as its timeout', async () => {
    const server = await script(miss);
    const cache = new CacheClient({ url: server.url, tenant: 't', timeoutMs: Number.POSITIVE_INFINITY });
    expect(await cache.get('k')).toEqual({ found: false, key: 'k' });
  });

  test('rejects at its deadline if fetch ignores the signal', async () => {
    const deaf = () => new Promise<never>(() => {});
    const cache = new CacheClient({ url: 'http://localhost', tenant: 't', timeoutMs: 50, fetch: deaf });
    await expect(cache.get('k')).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED' });
    const mute = async () => ({ status: 200, headers: { get: () => null }, text: deaf });
    const reading = new CacheClient({ url: 'http://localhost', tenant: 't', timeoutMs: 50, fetch: mute });
    await expect(reading.get('k')).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED' });
    const authorize = () => new Promise<never>(() => {});
    const waiting = new CacheClient({ url: 'http://localhost', tenant: 't', timeoutMs: 50, authorize });
    await expect(waiting.get('k')).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED' });
  });

  test('rejects with the reason of its signal, and aborts the request', async () => {
    let closed: Promise<unknown> | undefined;
    const server = await script('hang');
    const watching: typeof fetch = (...args) => {
      const { signal } = args[1] as { signal: AbortSignal };
      closed = once(signal, 'abort');
      return fetch(...args);
    };
    const cache = new CacheClient({ url: server.url, tenant: 't', fetch: watching });
    const controller = new AbortController();
    const call = cache.get('k', { signal: controller.signal });
    await expect.poll(() => server.asked.length).toBe(1);
    const reason = new Error('the user left');
    controller.abort(reason);
    await expect(call).rejects.toBe(reason);
    await closed;
  });

  test('rejects with the reason of its signal while it waits for a retry', async () => {
    const server = await script({ ...unavailable, headers: { 'retry-after': '30' } });
    const controller = new AbortController();
    const cache = new CacheClient({ url: server.url, tenant: 't', timeoutMs: 60_000 });
    const call = cache.get('k', { signal: controller.signal });
    await expect.poll(() => server.asked.length).toBe(1);
    controller.abort('enough');
    await expect(call).rejects.toBe('enough');
  });

  test.each<[string, (cache: CacheClient, signal: AbortSignal) => Promise<unknown>]>([
    ['get', (cache, signal) => cache.get('k', { signal })],
    ['set', (cache, signal) => cache.set('k', 1, { signal })],
    ['getMany', (cache, signal) => cache.getMany(['k'], { signal })],
    ['invalidate', (cache, signal) => cache.invalidate('k', { signal })],
    ['getOrSet', (cache, signal) => cache.getOrSet('k', 1, () => 1, { signal })],
    ['getOrSetMany', (cache, signal) => cache.getOrSetMany(['k'], 1, () => [1], { signal })],
  ])('sends nothing if its signal has already fired: %s', async (_, call) => {
    const server = await script(hit(1));
    const signal = AbortSignal.abort('never');
    await expect(call(new CacheClient({ url: server.url, tenant: 't' }), signal)).rejects.toBe('never');
    expect(server.asked).toEqual([]);
  });

  test('leaves no listener on its signal', async () => {
    const server = await script(miss);
    const cache = new CacheClient({ url: server.url, tenant: 't' });
    const { signal } = new AbortController();
    const counts = { added: 0, removed: 0 };
    const { addEventListener, removeEventListener } = signal;
    signal.addEventListener = (...args: Parameters<typeof addEventListener>) => {
      counts.added++;
      addEventListener.apply(signal, args);
    };
    signal.removeEventListener = (...args: Parameters<typeof removeEventListener>) => {
      counts.removed++;
      removeEventListener.apply(signal, args);
    };
    await cache.get('k', { signal });
    await cache.getOrSet('k', 1, () => 1, { signal }).catch(() => {});
    await cache.getOrSetMany(['k'], 1, () => [1], { signal }).catch(() => {});
    expect(counts).toEqual({ added: 3, removed: 3 });
  });

  test('shares one listener with all calls of the same signal, and each rejects when it fires', async () => {
    const server = await script('hang');
    const cache = new CacheClient({ url: server.url, tenant: 't' });
    const controller = new AbortController();
    const { signal } = controller;
    const keys = Array.from({ length: 20 }, (_, i) => `k:${i}`);
    const calls = keys.flatMap((key) => [
      cache.get(key, { signal }),
      cache.getOrSet(key, 1, () => 1, { signal, timeoutMs: 60_000 }),
    ]);
    expect(getEventListeners(signal, 'abort')).toHaveLength(1);
    controller.abort('enough');
    const ends = await Promise.allSettled(calls);
    expect(ends).toEqual(calls.map(() => ({ status: 'rejected', reason: 'enough' })));
    expect(getEventListeners(signal, 'abort')).toEqual([]);
  });

  test('leaves its connection for the next call', async () => {
    const server = await script(({ method }) => (method === 'GET' ? miss : unavailable));
    const cache = new CacheClient({ url: server.url, tenant: 't', retries: 0 });
    for (let i = 0; i < 10; i++) {
      await cache.get('k');
      await cache.set('k', 1).catch(() => {});
    }
    expect(server.asked).toHaveLength(20);
    // One, or a few if the runtime was not yet done with it.
    expect(server.connections()).toBeLessThan(5);
  });

  test('keeps no process alive after its response', async () => {
    const server = await script(hit('done'));
    const code = `
      import { CacheClient } from ${JSON.stringify(CLIENT)};
      const cache = new CacheClient({ url: ${JSON.stringify(server.url)}, tenant: 't', timeoutMs: 3_600_000 });
      console.log((await cache.get('k')).value, await cache.getOrSet('k', 1, () => 1, { timeoutMs: 3_600_000 }));
    `;
    const args = ['--input-type=module-typescript', '--eval', code];
    const { stdout } = await promisify(execFile)(process.execPath, args, { timeout: 25_000 });
    expect(stdout).toBe('done done\n');
  });
});
