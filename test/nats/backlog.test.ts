import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Backlog } from '../../lib/events/backlog.ts';

const message = (number: number, bytes = 100) => ({
  subject: String(number),
  payload: new Uint8Array(bytes),
});

function takeAll(backlog: Backlog): string[] {
  const taken: string[] = [];
  for (let next = backlog.take(); next; next = backlog.take()) taken.push(next.subject);
  return taken;
}

test('what was handed out comes again after a rewind, unless it was confirmed', () => {
  const backlog = new Backlog();
  for (const number of [1, 2, 3]) backlog.add(message(number));
  expect(takeAll(backlog)).toEqual(['1', '2', '3']);
  const { mark } = backlog;
  backlog.add(message(4));
  expect(takeAll(backlog)).toEqual(['4']);
  backlog.confirm(mark);
  expect(backlog.empty).toBe(false);
  backlog.rewind();
  expect(takeAll(backlog)).toEqual(['4']);
  backlog.confirm(backlog.mark);
  expect(backlog.empty).toBe(true);
});

test('no more than a window is on its way, and the next follows when it is confirmed', () => {
  const backlog = new Backlog();
  for (let number = 0; number < 20; number++) backlog.add(message(number, 10_000));
  expect(takeAll(backlog)).toEqual(['0', '1', '2', '3']);
  backlog.confirm(backlog.mark);
  expect(takeAll(backlog)).toEqual(['4', '5', '6', '7']);
});

test('past its capacity the oldest are dropped that are not on their way', () => {
  const backlog = new Backlog();
  let dropped = 0;
  for (let number = 0; number < 15; number++) {
    dropped += backlog.add(message(number, 100_000));
    if (number === 0) takeAll(backlog);
  }
  expect(dropped).toBe(5);
  const kept = ['0'];
  backlog.confirm(backlog.mark);
  for (let next = backlog.take(); next; next = backlog.take()) {
    kept.push(next.subject);
    backlog.confirm(backlog.mark);
  }
  expect(kept).toEqual(['0', ...Array.from({ length: 9 }, (_, index) => String(index + 6))]);
  expect(backlog.empty).toBe(true);
});

test('whatever happens, each message is confirmed or dropped once, in the order in which they came', () => {
  const step = fc.oneof(
    fc.record({ kind: fc.constant('add'), bytes: fc.integer({ min: 1, max: 400_000 }) }),
    fc.record({ kind: fc.constantFrom('take', 'mark', 'confirm', 'rewind') }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const backlog = new Backlog();
      let added = 0;
      let dropped = 0;
      let mark: number | undefined;
      const taken: number[] = [];
      for (const { kind, ...rest } of steps) {
        if (kind === 'add') dropped += backlog.add(message(added++, (rest as { bytes: number }).bytes));
        if (kind === 'take') {
          const next = backlog.take();
          if (next) taken.push(Number(next.subject));
        }
        if (kind === 'mark') mark = backlog.mark;
        if (kind === 'confirm' && mark !== undefined) backlog.confirm(mark);
        if (kind === 'rewind') {
          backlog.rewind();
          taken.length = 0;
          // A confirmation that was owed on another connection does not come.
          mark = undefined;
        }
        // On one connection nothing is sent twice, nor out of order.
        expect(taken).toEqual([...new Set(taken)].sort((a, b) => a - b));
      }
      backlog.rewind();
      const left: number[] = [];
      for (let next = backlog.take(); next; next = backlog.take()) {
        left.push(Number(next.subject));
        backlog.confirm(backlog.mark);
      }
      expect(left).toEqual([...left].sort((a, b) => a - b));
      expect(left.length + dropped).toBeLessThanOrEqual(added);
      expect(backlog.empty).toBe(true);
    }),
  );
});
