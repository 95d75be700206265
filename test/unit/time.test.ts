import { expect, test } from 'vitest';
import { pauseAfter } from '../../lib/time.ts';

const range = { first: 10, most: 250 };
const pauses = (failures: number) => Array.from({ length: 1000 }, () => pauseAfter(range, failures));

test.each([
  [0, 10],
  [1, 20],
  [3, 80],
  [5, 250],
  [10_000, 250],
])('after %i failures a pause is in the upper half of its range', (failures, longest) => {
  for (const pause of pauses(failures)) {
    expect(pause).toBeGreaterThanOrEqual(longest / 2);
    expect(pause).toBeLessThanOrEqual(longest);
  }
});

test('pauses are spread over that half, so that many processes do not reconnect at the same time', () => {
  const tenths = pauses(5).map((pause) => Math.floor((pause - 125) / 12.5));
  for (let tenth = 0; tenth < 10; tenth++) {
    expect(tenths.filter((of) => of === tenth).length, `tenth ${tenth}`).toBeGreaterThan(40);
  }
});
