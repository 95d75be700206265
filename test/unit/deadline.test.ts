import { describe, expect, test, vi } from 'vitest';
import { deadlineEpochMs } from '../../lib/http/request.ts';

describe('the deadline of a request', () => {
  test.each([
    ['a second before its time is up', 10_000, 9000],
    ["never after the gateway's own limit", 900_000, 29_000],
    ["by the gateway's limit where nobody tells the time", undefined, 29_000],
    ['at once where no time is left', 0, 0],
    ['at once where less than a second is left', 999, 0],
  ])('is %s', (_, left, expected) => {
    const before = Date.now();
    const deadline = deadlineEpochMs(
      left === undefined ? undefined : { getRemainingTimeInMillis: () => left },
      900,
    );
    const after = Date.now();
    expect(deadline).toBeGreaterThanOrEqual(before + expected);
    expect(deadline).toBeLessThanOrEqual(after + expected);
  });

  test('leaves the timeout of an operation on the backend, and 100 ms for the response', () => {
    vi.useFakeTimers({ now: 0, toFake: ['Date'] });
    try {
      expect(deadlineEpochMs({ getRemainingTimeInMillis: () => 29_000 }, 4000)).toBe(24_900);
    } finally {
      vi.useRealTimers();
    }
  });
});
