import { describe, expect, test, vi } from 'vitest';
import type { RequestRate } from '../../lib/config/tenant-limits.ts';
import { BackendUnavailableError, InternalError, TenantRateLimitedError } from '../../lib/errors.ts';
import { createRequestContext } from '../../lib/http/request.ts';
import { RateLimiter } from '../../lib/limits/rate-limiter.ts';
import type { Operation } from '../../lib/routes.ts';
import { MemoryStore } from '../../lib/store/memory.ts';
import type { RateReply } from '../../lib/store/store.ts';

/** A limiter whose token buckets are in a store with a clock that only the test moves. */
function setup(rate: RequestRate | undefined) {
  let nowEpochMs = 1e12;
  const buckets = new MemoryStore({ memoryMaxBytes: 1e6, nowEpochMs: () => nowEpochMs });
  const takeRequests = vi.fn(
    (tenant: string, rate: RequestRate, count: number): Promise<RateReply> =>
      buckets.takeRequests(tenant, rate, count),
  );
  const limiter = new RateLimiter({ store: { takeRequests }, rateOf: () => rate, sweepWeight: 10 });
  const run = async (operation: Operation = 'get', work: () => Promise<unknown> = async () => 'done') => {
    const request = { ...createRequestContext(operation, {}, undefined, 900), tenant: 'acme' };
    return { result: await limiter.run(request, work), request };
  };
  const pass = (ms: number) => {
    nowEpochMs += ms;
  };
  return {
    run,
    takeRequests,
    pass,
    otherProcess: () => new RateLimiter({ store: { takeRequests }, rateOf: () => rate, sweepWeight: 10 }),
  };
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
    expect(work).not.toHaveBeenCalled();
    pass(100);
    // Real time, in which the process itself rejects.
    await vi.waitFor(() => run('set', work), { timeout: 5000 });
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
    const { run, otherProcess } = setup({ perSecond: 1, burst: 2 });
    await run();
    await run();
    const other = otherProcess();
    const request = () => ({ ...createRequestContext('set', {}, undefined, 900), tenant: 'acme' });
    expect(await other.run(request(), async () => 'done')).toBe('done');
    await expect(other.run(request(), async () => 'done')).rejects.toThrow(TenantRateLimitedError);
  });
});

test('an invalidation and a clear count as several requests, and are counted before they run', async () => {
  const { run, takeRequests } = setup({ perSecond: 1, burst: 15 });
  await run('invalidate');
  expect(takeRequests).toHaveBeenLastCalledWith('acme', expect.anything(), 10);
  const work = vi.fn(async () => 'done');
  await expect(run('clear-tenant', work)).rejects.toThrow(TenantRateLimitedError);
  expect(work).not.toHaveBeenCalled();
  // What is left is enough for other requests.
  expect((await run('get')).result).toBe('done');
});

test('an invalidation of a tenant with a smaller burst counts as the whole burst', async () => {
  const { run, takeRequests } = setup({ perSecond: 1, burst: 4 });
  await run('invalidate');
  expect(takeRequests).toHaveBeenLastCalledWith('acme', expect.anything(), 4);
});

describe('requests that cannot be counted', () => {
  test('are not limited, and not counted for some time', async () => {
    const { run, takeRequests } = setup({ perSecond: 1, burst: 1 });
    takeRequests.mockRejectedValue(new BackendUnavailableError());
    for (let i = 0; i < 5; i++) expect((await run()).result).toBe('done');
    expect(takeRequests).toHaveBeenCalledTimes(1);
  });

  test('fail with their own error', async () => {
    const { run, takeRequests } = setup({ perSecond: 1, burst: 1 });
    takeRequests.mockRejectedValue(new BackendUnavailableError());
    const failing = run('get', () => Promise.reject(new InternalError('a bug')));
    await expect(failing).rejects.toThrow(InternalError);
  });

  test('near the limit, the first one fails as the backend does, and the next ones are not limited', async () => {
    const { run, takeRequests } = setup({ perSecond: 1, burst: 2 });
    await run();
    await run();
    takeRequests.mockRejectedValue(new BackendUnavailableError());
    await expect(run()).rejects.toThrow(BackendUnavailableError);
    expect((await run()).result).toBe('done');
  });
});
