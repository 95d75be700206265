import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Outbox } from '../../lib/events/outbox.ts';

const message = (number: number, bytes = 100) => ({
  subject: String(number),
  payload: new Uint8Array(bytes),
});

const numbersOf = (batch: readonly { subject: string }[]) => batch.map(({ subject }) => Number(subject));

/** Confirms all batches. @returns the batches */
function drain(outbox: Outbox): number[][] {
  const batches: number[][] = [];
  while (!outbox.isEmpty) {
    batches.push(numbersOf(outbox.nextBatch()));
    outbox.confirm();
  }
  return batches;
}

const range = (from: number, to: number) => Array.from({ length: to - from }, (_, index) => from + index);

test('an unconfirmed batch is returned again, with the messages that were added since', () => {
  const outbox = new Outbox();
  for (const number of [1, 2, 3]) outbox.add(message(number));
  expect(numbersOf(outbox.nextBatch())).toEqual([1, 2, 3]);
  outbox.add(message(4));
  expect(numbersOf(outbox.nextBatch())).toEqual([1, 2, 3, 4]);
});

test('a confirmation removes the batch, and keeps the messages that were added since', () => {
  const outbox = new Outbox();
  for (const number of [1, 2, 3]) outbox.add(message(number));
  outbox.nextBatch();
  outbox.add(message(4));
  outbox.confirm();
  expect(drain(outbox)).toEqual([[4]]);
});

test('a batch ends with the message that reaches 16 KiB', () => {
  const outbox = new Outbox();
  for (const number of range(0, 5)) outbox.add(message(number, 10_000));
  outbox.add(message(5, 100_000));
  outbox.add(message(6));
  expect(drain(outbox)).toEqual([[0, 1], [2, 3], [4, 5], [6]]);
});

test('above 1 MiB the oldest messages are dropped, except those of the batch in flight', () => {
  const outbox = new Outbox();
  let dropped = outbox.add(message(0, 100_000));
  outbox.nextBatch();
  for (const number of range(1, 15)) dropped += outbox.add(message(number, 100_000));
  expect(dropped).toBe(5);
  expect(drain(outbox).flat()).toEqual([0, ...range(6, 15)]);
});

test('any sequence of operations confirms or drops each message once, in the order in which they were added', () => {
  const step = fc.oneof(
    fc.record({ kind: fc.constant('add' as const), bytes: fc.integer({ min: 1, max: 400_000 }) }),
    fc.record({ kind: fc.constantFrom('nextBatch' as const, 'confirm' as const) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const outbox = new Outbox();
      let added = 0;
      let dropped = 0;
      let inFlight: number[] = [];
      const confirmed: number[] = [];
      for (const step of steps) {
        if (step.kind === 'add') dropped += outbox.add(message(added++, step.bytes));
        if (step.kind === 'nextBatch') inFlight = numbersOf(outbox.nextBatch());
        if (step.kind === 'confirm') {
          outbox.confirm();
          confirmed.push(...inFlight);
          inFlight = [];
        }
      }
      confirmed.push(...drain(outbox).flat());
      expect(confirmed).toEqual([...new Set(confirmed)].sort((a, b) => a - b));
      expect(confirmed.length + dropped).toBe(added);
    }),
  );
});
