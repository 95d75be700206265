import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { describe, expect, test, vi } from 'vitest';
import { granted, released, script } from './scripted.ts';
import { serviceForClients } from './service.ts';

const { start } = serviceForClients();

const CLIENT = new URL('../../lib/client/index.ts', import.meta.url).href;
const forever = () => new Promise<never>(() => {});

describe('a producer that does not settle in time', () => {
  test('rejects all calls with a DeadlineError, and its signal fires', async () => {
    const { cache, reported } = start();
    const signals: AbortSignal[] = [];
    const produce = (signal: AbortSignal) => {
      signals.push(signal);
      return forever();
    };
    const calls = [50, 60_000].map((produceTimeoutMs) =>
      cache.getOrSet('k', 60, produce, { produceTimeoutMs }),
    );
    for (const call of calls) {
      await expect(call).rejects.toMatchObject({
        name: 'DeadlineError',
        code: 'DEADLINE_EXCEEDED',
        message: 'produce took longer than 50 ms',
      });
    }
    expect(signals.map(({ aborted }) => aborted)).toEqual([true]);
    expect(signals[0]?.reason).toBe(await calls[0]?.catch((error) => error));
    expect(reported).toEqual([]);
  });

  test('frees its key for the next caller, and its late result is not cached', async () => {
    const { cache } = start({ produceTimeoutMs: 50 });
    const work = Promise.withResolvers<string>();
    await expect(cache.getOrSet('k', 60, () => work.promise)).rejects.toThrow('produce took longer');
    expect(await cache.getOrSet('k', 60, () => 'of the next')).toBe('of the next');
    work.resolve('late');
    await new Promise(setImmediate);
    expect(await cache.get('k')).toMatchObject({ value: 'of the next' });
  });

  test('that rejects because of its signal rejects the call with the DeadlineError', async () => {
    const { cache } = start({ produceTimeoutMs: 50 });
    const produce = (signal: AbortSignal) =>
      new Promise<never>((_, reject) => signal.addEventListener('abort', () => reject(new Error('aborted'))));
    await expect(cache.getOrSet('k', 60, produce)).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED' });
  });

  test.each([
    [undefined, undefined, 60_000],
    [5000, undefined, 5000],
    [5000, 90_000, 90_000],
  ])('with produceTimeoutMs %s of the client and %s of the call has %d ms', async (client, call, ms) => {
    vi.useFakeTimers();
    try {
      const { cache } = start({ produceTimeoutMs: client, fetch: () => forever() });
      const begun = Promise.withResolvers<void>();
      let ended = false;
      const produce = () => {
        begun.resolve();
        return forever();
      };
      cache.getOrSet('k', 60, produce, { produceTimeoutMs: call, timeoutMs: 1000 }).catch(() => {
        ended = true;
      });
      // The lookup takes all of its time before.
      await vi.advanceTimersByTimeAsync(1000);
      await begun.promise;
      await vi.advanceTimersByTimeAsync(ms - 1);
      expect(ended).toBe(false);
      await vi.advanceTimersByTimeAsync(1);
      expect(ended).toBe(true);
    } finally {
      vi.useRealTimers();
    }
  });

  test('accepts Infinity as produceTimeoutMs, independent of timeoutMs', async () => {
    const { cache } = start({ produceTimeoutMs: Number.POSITIVE_INFINITY });
    const work = Promise.withResolvers<string>();
    const call = cache.getOrSet('k', 60, () => work.promise);
    work.resolve('produced');
    expect(await call).toBe('produced');
  });

  test('keeps no process alive after its callers have aborted', async () => {
    const server = await script(granted, released);
    const code = `
      import { CacheClient } from ${JSON.stringify(CLIENT)};
      const cache = new CacheClient({ url: ${JSON.stringify(server.url)}, tenant: 't', produceTimeoutMs: 3_600_000 });
      const controller = new AbortController();
      const produce = () => new Promise(() => setImmediate(() => controller.abort('enough')));
      console.log(await cache.getOrSet('k', 1, produce, { signal: controller.signal, timeoutMs: 20_000 }).catch((reason) => reason));
    `;
    const args = ['--input-type=module-typescript', '--eval', code];
    const { stdout } = await promisify(execFile)(process.execPath, args, { timeout: 25_000 });
    expect(stdout).toBe('enough\n');
  });
});

describe('a produced value that JSON cannot represent', () => {
  const circle: Record<string, unknown> = {};
  circle.itself = circle;

  test.each([
    ['undefined', undefined],
    ['a function', () => 1],
    ['a bigint', { a: [1n] }],
    ['a circle', circle],
  ])('is returned to all, reported to onError and not cached: %s', async (_, value: unknown) => {
    const { cache, reported } = start();
    const produce = vi.fn(async () => value);
    const values = await Promise.all([1, 2].map(() => cache.getOrSet('k', 60, produce)));
    expect(values[0]).toBe(value);
    expect(values[1]).toBe(value);
    expect(produce).toHaveBeenCalledTimes(1);
    expect(reported).toEqual([{ code: undefined, operation: 'set', key: 'k' }]);
    expect(await cache.get('k')).toEqual({ found: false, key: 'k' });
  });
});

describe('a produced value that JSON changes', () => {
  class Point {
    readonly x: number;
    constructor(x: number) {
      this.x = x;
    }
  }

  test('is the same for the caller that produced it, for those that waited and on a hit', async () => {
    const { cache } = start();
    const produce = (): unknown => ({
      ...{ date: new Date(0), map: new Map([[1, 2]]), nan: Number.NaN, point: new Point(1) },
      ...{ gone: undefined, list: [undefined], minusZero: -0 },
    });
    const carried = {
      ...{
        date: '1970-01-01T00:00:00.000Z',
        map: {},
        nan: null,
        point: { x: 1 },
        list: [null],
        minusZero: 0,
      },
    };
    const ask = () => cache.getOrSet('k', 60, produce);
    const values = [...(await Promise.all([ask(), ask()])), await ask()];
    for (const value of values) expect(value).toStrictEqual(carried);
    expect(values[1]).toBe(values[0]);
  });

  test('is also changed while the cache is down', async () => {
    const { cache } = start({ fetch: () => Promise.reject(new TypeError('fetch failed')), retries: 0 });
    expect(await cache.getOrSet<unknown>('k', 60, () => new Date(0))).toBe('1970-01-01T00:00:00.000Z');
  });

  test("goes through the caller's own stringify and parse", async () => {
    const parse = vi.fn((text: string): unknown =>
      JSON.parse(text, (_, part) =>
        typeof part === 'string' && part.startsWith('date:') ? new Date(part.slice(5)) : part,
      ),
    );
    const stringify = (value: unknown) =>
      JSON.stringify(value instanceof Date ? `date:${value.toISOString()}` : value);
    const { cache } = start({ parse, stringify });
    const ask = () => cache.getOrSet('k', 60, () => new Date(0));
    expect([await ask(), await ask()]).toEqual([new Date(0), new Date(0)]);
  });
});
