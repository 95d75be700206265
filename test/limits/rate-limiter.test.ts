import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test, vi } from 'vitest';
import type { RequestRate } from '../../lib/config/tenant-limits.ts';
import { BackendUnavailableError, InternalError, TenantRateLimitedError } from '../../lib/errors.ts';
import { createRequestContext } from '../../lib/http/request.ts';
import { RateLimiter } from '../../lib/limits/rate-limiter.ts';
import type { Operation } from '../../lib/routes.ts';
import { MemoryStore } from '../../lib/store/memory/store.ts';
import type { RateReply } from '../../lib/store/store.ts';

/** A limiter whose token buckets are in a store, both with a clock that only the test moves. */
function setup(rate: RequestRate | undefined) {
  let nowEpochMs = 1e12;
  const buckets = new MemoryStore({ memoryMaxBytes: 1e6, nowEpochMs: () => nowEpochMs });
  const takeRequests = vi.fn(
    (tenant: string, rate: RequestRate, count: number): Promise<RateReply> =>
      buckets.takeRequests(tenant, rate, count),
  );
  const log = { error: vi.fn() };
  const create = () => {
    const options = { store: { takeRequests }, rateOf: () => rate, sweepWeight: 10, log };
    return new RateLimiter({ ...options, nowEpochMs: () => nowEpochMs });
  };
  const runWith =
    (limiter: RateLimiter) =>
    async (
      operation: Operation = 'get',
      work: () => Promise<unknown> = async () => 'done',
      body?: unknown,
    ) => {
      const request = { ...createRequestContext(operation, {}, undefined, 900), tenant: 'acme', body };
      return { result: await limiter.run(request, work), request };
    };
  const pass = (ms: number) => {
    nowEpochMs += ms;
  };
  return { run: runWith(create()), runElsewhere: runWith(create()), takeRequests, pass, log };
}

describe('a request below the limit', () => {
  test('starts before it is counted', async () => {
    const { run, takeRequests } = setup({ perSecond: 10, burst: 20 });
    const order: string[] = [];
    takeRequests.mockImplementation(async () => {
      order.push('counting');
      await new Promise(setImmediate);
      order.push('counted');
      return { retryAfterMs: undefined, remaining: 19, resetMs: 100 };
    });
    await run('get', async () => {
      order.push('started');
    });
    expect(order).toEqual(['counting', 'started', 'counted']);
  });

  test('records what is left', async () => {
    const { run } = setup({ perSecond: 10, burst: 20 });
    const { request } = await run();
    expect(request.rate).toEqual({ perSecond: 10, burst: 20, remaining: 19, resetMs: 100 });
  });

  test('is not counted without a limit', async () => {
    const { run, takeRequests } = setup(undefined);
    expect((await run()).request.rate).toBeUndefined();
    expect(takeRequests).not.toHaveBeenCalled();
  });
});

describe('a request above the limit', () => {
  test('is rejected without having run, and allowed after the time in the error', async () => {
    const { run, pass } = setup({ perSecond: 10, burst: 3 });
    for (let i = 0; i < 3; i++) await run();
    const work = vi.fn(async () => 'done');
    const error = await run('set', work).catch((error: unknown) => error);
    expect(error).toBeInstanceOf(TenantRateLimitedError);
    expect(error).toMatchObject({ headers: { 'retry-after': '1' }, details: { retry_after_ms: 100 } });
    pass(99);
    await expect(run('set', work)).rejects.toThrow(TenantRateLimitedError);
    expect(work).not.toHaveBeenCalled();
    pass(1);
    await run('set', work);
    expect(work).toHaveBeenCalledTimes(1);
  });

  test('is rejected by the process itself until the backend would allow it', async () => {
    const { run, takeRequests } = setup({ perSecond: 1, burst: 1 });
    await run();
    await expect(run()).rejects.toThrow(TenantRateLimitedError);
    const { length } = takeRequests.mock.calls;
    await expect(run()).rejects.toThrow(TenantRateLimitedError);
    expect(takeRequests.mock.calls).toHaveLength(length);
  });

  test('is answered once by a process that did not know that the limit was reached', async () => {
    const { run, runElsewhere } = setup({ perSecond: 1, burst: 2 });
    await run();
    await run();
    expect((await runElsewhere('set')).result).toBe('done');
    await expect(runElsewhere('set')).rejects.toThrow(TenantRateLimitedError);
  });

  test('is one of few that are answered if a process gets a thousand at once, each time', async () => {
    const { run, pass } = setup({ perSecond: 10, burst: 20 });
    for (let round = 0; round < 4; round++) {
      const all = await Promise.allSettled(Array.from({ length: 1000 }, () => run()));
      const answered = all.filter(({ status }) => status === 'fulfilled').length;
      expect(answered).toBeGreaterThanOrEqual(20);
      expect(answered).toBeLessThanOrEqual(21);
      pass(2000);
      await run();
      pass(1000);
    }
  });
});

describe('an invalidation or a clear', () => {
  test('counts as several requests, and is counted before it runs', async () => {
    const { run, takeRequests } = setup({ perSecond: 1, burst: 15 });
    await run('invalidate');
    expect(takeRequests).toHaveBeenLastCalledWith('acme', expect.anything(), 10);
    for (let i = 0; i < 5; i++) await run('get');
    const work = vi.fn(async () => 'done');
    await expect(run('clear-tenant', work)).rejects.toThrow(TenantRateLimitedError);
    expect(work).not.toHaveBeenCalled();
  });

  test('is allowed if one request is left, and delays the next ones', async () => {
    const { run, pass } = setup({ perSecond: 1, burst: 15 });
    for (let i = 0; i < 14; i++) await run();
    expect((await run('invalidate')).result).toBe('done');
    const error = await run().catch((error: unknown) => error);
    expect(error).toMatchObject({ details: { retry_after_ms: 10_000 } });
    pass(10_000);
    expect((await run()).result).toBe('done');
  });

  test('counts as the whole burst if that is smaller', async () => {
    const { run, takeRequests } = setup({ perSecond: 1, burst: 4 });
    await run('invalidate');
    expect(takeRequests).toHaveBeenLastCalledWith('acme', expect.anything(), 4);
  });
});

test.each([
  ['set', { key: 'k', lease: 'token' }],
  ['batch-set', { items: [{ lease: 'a' }, { lease: 'b' }] }],
  ['lease-release', { key: 'k', lease: 'token' }],
] as const)(
  'a %s that ends a lease is not limited: its lease request was counted',
  async (operation, body) => {
    const { run, takeRequests } = setup({ perSecond: 1, burst: 1 });
    await run('lease');
    await expect(run('lease')).rejects.toThrow(TenantRateLimitedError);
    const { length } = takeRequests.mock.calls;
    expect((await run(operation, undefined, body)).result).toBe('done');
    expect(takeRequests.mock.calls).toHaveLength(length);
  },
);

test('a batch of sets in which one item has no lease is limited', async () => {
  const { run } = setup({ perSecond: 1, burst: 1 });
  await run();
  await expect(run('batch-set', undefined, { items: [{ lease: 'a' }, {}] })).rejects.toThrow(
    TenantRateLimitedError,
  );
});

describe('requests that cannot be counted', () => {
  test('are not limited, and not counted for ten seconds', async () => {
    const { run, takeRequests, pass } = setup({ perSecond: 1, burst: 1 });
    takeRequests.mockRejectedValue(new BackendUnavailableError());
    for (let i = 0; i < 5; i++) expect((await run()).result).toBe('done');
    expect(takeRequests).toHaveBeenCalledTimes(1);
    pass(10_000);
    await run();
    expect(takeRequests).toHaveBeenCalledTimes(2);
  });

  test('fail with their own error', async () => {
    const { run, takeRequests } = setup({ perSecond: 1, burst: 1 });
    takeRequests.mockRejectedValue(new BackendUnavailableError());
    const failing = run('get', () => Promise.reject(new InternalError('a bug')));
    await expect(failing).rejects.toThrow(InternalError);
  });

  test('run if the backend replies that it cannot count now, such as without memory', async () => {
    const { run, takeRequests } = setup({ perSecond: 1, burst: 2 });
    takeRequests.mockRejectedValue(new BackendUnavailableError());
    expect((await run('clear-tenant')).result).toBe('done');
  });

  test('fail if the backend took its time, since the request would take as long again', async () => {
    const { run, takeRequests } = setup({ perSecond: 1, burst: 2 });
    takeRequests.mockImplementation(async () => {
      await sleep(300);
      throw new BackendUnavailableError();
    });
    await expect(run('clear-tenant')).rejects.toThrow(BackendUnavailableError);
    expect((await run('clear-tenant')).result).toBe('done');
  });

  test('are answered although the backend fails in a way that nobody expects, which is logged', async () => {
    const { run, takeRequests, log } = setup({ perSecond: 1, burst: 2 });
    const error = new Error('WRONGTYPE');
    takeRequests.mockRejectedValue(error);
    // The count fails before the request ends, and nobody waits for it meanwhile.
    const work = () => sleep(20).then(() => 'applied');
    expect((await run('set', work)).result).toBe('applied');
    expect(log.error).toHaveBeenCalledWith('requests of tenants cannot be counted', { error });
  });
});
