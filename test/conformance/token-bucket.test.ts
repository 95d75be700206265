import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { backends, newTenant, type OpenStore } from './backends.ts';

describe.each(backends)('the token bucket of a tenant, $name', ({ open }) => {
  let opened: OpenStore;
  let tenant: string;
  beforeEach(async () => {
    opened = await open();
    tenant = newTenant();
  });
  afterEach(() => opened.store.close());
  const take = (count = 1, rate = { perSecond: 1, burst: 10 }) =>
    opened.store.takeRequests(tenant, rate, count);

  test('allows the burst at once, then rejects with the time after which a request is allowed', async () => {
    for (let left = 9; left >= 0; left--) {
      const reply = await take();
      expect(reply.retryAfterMs).toBeUndefined();
      // A busy machine may take a second.
      expect(reply.remaining).toBeGreaterThanOrEqual(left);
    }
    let reply = await take();
    // A second may have passed since.
    while (reply.retryAfterMs === undefined) reply = await take();
    expect(reply.remaining).toBe(0);
    expect(reply.retryAfterMs).toBeGreaterThan(0);
    expect(reply.retryAfterMs).toBeLessThanOrEqual(1000);
    expect(reply.resetMs).toBeGreaterThan(8000);
    expect(reply.resetMs).toBeLessThanOrEqual(10_000);
    await opened.pass(reply.retryAfterMs);
    expect((await take()).retryAfterMs).toBeUndefined();
  });

  test('allows a request that counts as more than is left, which delays the next ones', async () => {
    await take(8);
    expect(await take(5)).toMatchObject({ retryAfterMs: undefined, remaining: 0 });
    const { retryAfterMs, remaining } = await take(1);
    expect(remaining).toBe(0);
    // Four of thirteen are owed, and one more is wanted.
    expect(retryAfterMs).toBeGreaterThan(1000);
    expect(retryAfterMs).toBeLessThanOrEqual(4000);
  });

  test('is another one for each tenant', async () => {
    await take(10);
    const other = await opened.store.takeRequests(newTenant(), { perSecond: 1, burst: 10 }, 10);
    expect(other.retryAfterMs).toBeUndefined();
  });

  test('owes at most a burst after the rate was made smaller', async () => {
    await take(1000, { perSecond: 1, burst: 1000 });
    const { resetMs } = await take(1, { perSecond: 1, burst: 2 });
    expect(resetMs).toBeLessThanOrEqual(4000);
  });

  test('shares the burst among requests that arrive at the same time', async () => {
    const replies = await Promise.all(
      Array.from({ length: 100 }, () => take(1, { perSecond: 1, burst: 50 })),
    );
    const allowed = replies.filter(({ retryAfterMs }) => retryAfterMs === undefined).length;
    expect(allowed).toBeGreaterThanOrEqual(50);
    // One more for each second that it took.
    expect(allowed).toBeLessThan(65);
  });
});
