import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { CacheClient, type ClientOptions } from '../../lib/client/index.ts';
import { newTenant } from '../conformance/backends.ts';
import { freePort, LOOPBACK } from '../engines/ports.ts';
import { startProxy } from '../faults/proxy.ts';
import { type Service, startService } from '../http/service.ts';
import { failure, hit, miss, script, wasSet } from './scripted.ts';

let service: Service;
beforeAll(async () => {
  service = await startService();
});
afterAll(() => service.stop());

/** A client of the running service, unless another is given, that remembers what it got over. */
function start(options: Partial<ClientOptions> = {}) {
  const told: { code: unknown; operation: string; key: string }[] = [];
  const cache = new CacheClient({
    url: service.url,
    tenant: newTenant(),
    onError: (error, about) => told.push({ code: (error as { code?: unknown }).code, ...about }),
    ...options,
  });
  return { cache, told };
}

/** A promise, and what settles it. */
function pending<T>() {
  let resolve!: (value: T) => void;
  let reject!: (reason: unknown) => void;
  const promise = new Promise<T>((...settle) => {
    [resolve, reject] = settle;
  });
  return { promise, resolve, reject };
}

describe('callers of one key at the same time', () => {
  test('share one lookup and one producer', async () => {
    const server = await script(miss, wasSet, 'reset');
    const { cache } = start({ url: server.url });
    const produce = vi.fn(async () => ({ answer: 42 }));
    const calls = Array.from({ length: 50 }, () => cache.getOrSet('k', 60, produce));
    const values = await Promise.all(calls);
    expect(produce).toHaveBeenCalledTimes(1);
    expect(values).toEqual(Array(50).fill({ answer: 42 }));
    expect(server.asked.map(({ method }) => method)).toEqual(['GET', 'POST']);
  });

  test('share a hit as well', async () => {
    const server = await script(hit('cached'));
    const { cache } = start({ url: server.url });
    const calls = Array.from({ length: 50 }, () => cache.getOrSet('k', 60, () => 'produced'));
    expect(new Set(await Promise.all(calls))).toEqual(new Set(['cached']));
    expect(server.asked).toHaveLength(1);
  });

  test('share them over clients of one tenant, and never with another tenant', async () => {
    const { cache } = start();
    const other = cache.forTenant(newTenant());
    const produce = vi.fn(async (who: string) => {
      await sleep(20);
      return who;
    });
    const ask = (client: CacheClient, who: string) => client.getOrSet('k', 60, () => produce(who));
    const same = other.forTenant(cache.tenant);
    const values = await Promise.all([ask(cache, 'one'), ask(same, 'the same'), ask(other, 'other')]);
    expect(values).toEqual(['one', 'one', 'other']);
    expect(produce).toHaveBeenCalledTimes(2);
  });

  test('share nothing with callers of other keys', async () => {
    const { cache } = start();
    const values = await Promise.all(
      ['a', 'b', 'a b'].map((key) => cache.getOrSet(key, 60, () => `of ${key}`)),
    );
    expect(values).toEqual(['of a', 'of b', 'of a b']);
  });

  test('all get what the producer throws; nothing is cached, and the next caller tries again', async () => {
    const { cache, told } = start();
    const failed = new Error('the model is away');
    const produce = vi.fn(async (): Promise<string> => {
      throw failed;
    });
    const calls = Array.from({ length: 5 }, () => cache.getOrSet('k', 60, produce).catch((error) => error));
    for (const error of await Promise.all(calls)) expect(error).toBe(failed);
    expect(produce).toHaveBeenCalledTimes(1);
    expect(await cache.get('k')).toEqual({ found: false, key: 'k' });
    expect(await cache.getOrSet('k', 60, () => 'again')).toBe('again');
    expect(told).toEqual([]);
  });

  test('get what a producer throws at once, as what it rejects with', async () => {
    const { cache } = start();
    const produce = (): string => {
      throw new RangeError('at once');
    };
    await expect(cache.getOrSet('k', 60, produce)).rejects.toThrow(RangeError);
  });

  test('begin anew after a value has expired or gone', async () => {
    const { cache } = start();
    let produced = 0;
    const ask = () => cache.getOrSet('k', 60, () => ++produced);
    expect([await ask(), await ask()]).toEqual([1, 1]);
    await cache.invalidate('k');
    expect([await ask(), await ask()]).toEqual([2, 2]);
  });
});

describe('a caller whose signal fires', () => {
  test('leaves the others what they wait for', async () => {
    const { cache } = start();
    const work = pending<string>();
    const begun = pending<AbortSignal>();
    const produce = (signal: AbortSignal) => {
      begun.resolve(signal);
      return work.promise;
    };
    const controller = new AbortController();
    const leaving = cache.getOrSet('k', 60, produce, { signal: controller.signal });
    const staying = cache.getOrSet('k', 60, produce);
    const signal = await begun.promise;
    controller.abort('I have to go');
    await expect(leaving).rejects.toBe('I have to go');
    expect(signal.aborted).toBe(false);
    work.resolve('worth it');
    expect(await staying).toBe('worth it');
    expect(await cache.get('k')).toMatchObject({ value: 'worth it' });
  });

  test('as the last one takes the producer with it, and nothing is cached of what that gives', async () => {
    const { cache, told } = start();
    const work = pending<string>();
    const begun = pending<AbortSignal>();
    const produce = (signal: AbortSignal) => {
      begun.resolve(signal);
      return work.promise;
    };
    const controllers = [new AbortController(), new AbortController()];
    const calls = controllers.map(({ signal }) => cache.getOrSet('k', 60, produce, { signal }));
    const settled = Promise.allSettled(calls);
    const signal = await begun.promise;
    controllers[0]?.abort();
    expect(signal.aborted).toBe(false);
    controllers[1]?.abort();
    expect((await settled).map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    expect(signal.aborted).toBe(true);
    // Whoever comes now does not wait for what was given up.
    expect(await cache.getOrSet('k', 60, () => 'of the next')).toBe('of the next');
    work.resolve('half of it');
    await sleep(50);
    expect(await cache.get('k')).toMatchObject({ value: 'of the next' });
    expect(told).toEqual([]);
  });

  test('while the cache is looked up ends that, and nothing is produced', async () => {
    const server = await script('hang');
    const { cache, told } = start({ url: server.url });
    const produce = vi.fn(() => 1);
    const controller = new AbortController();
    const call = cache.getOrSet('k', 60, produce, { signal: controller.signal, timeoutMs: 60_000 });
    await expect.poll(() => server.asked.length).toBe(1);
    controller.abort('enough');
    await expect(call).rejects.toBe('enough');
    await sleep(50);
    expect(produce).not.toHaveBeenCalled();
    expect(told).toEqual([]);
  });

  test('after it has its value is of no interest to the producer', async () => {
    const { cache } = start();
    const controller = new AbortController();
    let seen: AbortSignal | undefined;
    const produce = (signal: AbortSignal) => {
      seen = signal;
      return 1;
    };
    await cache.getOrSet('k', 60, produce, { signal: controller.signal });
    controller.abort();
    expect(seen?.aborted).toBe(false);
  });
});

describe('a cache that cannot help', () => {
  test('because it is down is a miss', async () => {
    const { cache, told } = start({ url: `http://${LOOPBACK}:${await freePort()}` });
    expect(await cache.getOrSet('k', 60, async () => 'produced')).toBe('produced');
    expect(told).toEqual([
      { code: 'CONNECTION_FAILED', operation: 'get', key: 'k' },
      { code: 'CONNECTION_FAILED', operation: 'set', key: 'k' },
    ]);
  });

  test('because it hangs is a miss once its time is over', async () => {
    const proxy = await startProxy(service.port);
    const { cache, told } = start({ url: `http://${LOOPBACK}:${proxy.port}` });
    const tenant = cache.tenant;
    await cache.set('k', 'cached');
    expect(await cache.getOrSet('k', 60, () => 'produced')).toBe('cached');
    proxy.drop();
    expect(await cache.getOrSet('k', 60, () => 'produced', { timeoutMs: 100 })).toBe('produced');
    expect(told.map(({ code, operation }) => `${operation} ${code}`)).toEqual([
      'get DEADLINE_EXCEEDED',
      'set DEADLINE_EXCEEDED',
    ]);
    await proxy.stop();
    expect(await start({ tenant }).cache.get('k')).toMatchObject({ value: 'cached' });
  });

  test('has no more than a second unless it is given more', async () => {
    const server = await script('hang');
    const { cache, told } = start({ url: server.url, timeoutMs: 600_000 });
    expect(await cache.getOrSet('k', 60, () => 'produced', { timeoutMs: undefined })).toBe('produced');
    expect(told).toHaveLength(2);
  });

  test.each([
    ['its backend is away', failure(503, 'BACKEND_UNAVAILABLE', {}, { 'retry-after': '1' })],
    ['it has a fault', failure(500, 'INTERNAL_SERVER_ERROR')],
    ['it lets nobody in', { status: 403, body: { message: 'Forbidden' } }],
    ['something else is there', { status: 200, body: '<html>' }],
  ])('because %s is a miss', async (_, reply) => {
    const server = await script(reply);
    const { cache, told } = start({ url: server.url });
    expect(await cache.getOrSet('k', 60, () => 'produced')).toBe('produced');
    expect(told.map(({ operation }) => operation)).toEqual(['get', 'set']);
  });

  test('because it does not take the value keeps nobody from having it', async () => {
    const { cache, told } = start();
    const long = 'x'.repeat(6 * 1024 ** 2);
    expect((await cache.getOrSet('k', 60, () => long, { timeoutMs: 20_000 })).length).toBe(long.length);
    expect(told).toEqual([{ code: 'PAYLOAD_TOO_LARGE', operation: 'set', key: 'k' }]);
  });

  test.each([
    ['a key that there cannot be', '', 60],
    ['a time to live that there cannot be', 'k', 0],
    ['a time to live that is no number', 'k', Number.NaN],
  ])('because of %s says so and produces', async (_, key, ttl) => {
    const { cache, told } = start();
    expect(await cache.getOrSet(key, ttl, () => 'produced')).toBe('produced');
    expect(told.at(-1)).toMatchObject({ operation: 'set', key });
  });

  test('is a miss also where nobody is told, and where being told fails', async () => {
    const url = `http://${LOOPBACK}:${await freePort()}`;
    const ask = (cache: CacheClient) => cache.getOrSet('k', 60, () => 'produced');
    expect(await ask(start({ url, onError: undefined }).cache)).toBe('produced');
    const onError = () => {
      throw new Error('a fault in here');
    };
    expect(await ask(start({ url, onError }).cache)).toBe('produced');
  });

  test('is a miss also where the credentials cannot be had', async () => {
    const authorize = async () => {
      throw Object.assign(new Error('expired'), { code: 'NO_CREDENTIALS' });
    };
    const { cache, told } = start({ authorize });
    expect(await cache.getOrSet('k', 60, () => 'produced')).toBe('produced');
    expect(told.map(({ code }) => code)).toEqual(['NO_CREDENTIALS', 'NO_CREDENTIALS']);
  });
});

describe('a value that is produced', () => {
  test.each([null, false, 0, '', []])('is cached also when it is %j', async (value) => {
    const { cache } = start();
    const produce = vi.fn(() => value);
    expect(await cache.getOrSet<unknown>('k', 60, produce)).toEqual(value);
    expect(await cache.getOrSet<unknown>('k', 60, produce)).toEqual(value);
    expect(produce).toHaveBeenCalledTimes(1);
  });

  test.each([
    ['undefined', undefined],
    ['a function', () => 1],
    ['a bigint', 1n],
  ])('must be what JSON can carry, and %s is not', async (_, value: unknown) => {
    const { cache, told } = start();
    await expect(cache.getOrSet('k', 60, () => value)).rejects.toThrow(TypeError);
    expect(told).toEqual([]);
  });
});
