import { PayloadTooLargeError } from '../errors.ts';
import type { Hit } from '../store/store.ts';

/**
 * What escapes may add to the values of a batch, in bytes. Lambda carries a response as a JSON string inside of JSON, in which
 * every quote and backslash is escaped. With a hundred of the longest keys it is still below 6 MB.
 */
const ESCAPES_MARGIN_BYTES = 512 * 1024;

/** A value's JSON text, and its length in bytes of UTF-8. */
type Sized = Pick<Hit, 'bytes' | 'value'>;

/**
 * Checks that the values of a batch can be carried together.
 *
 * @param values in the batch's order, undefined where there is none
 * @param maxBytes what they may have together
 * @param asked how many were asked for, if that is more than there are
 * @throws PayloadTooLargeError with the number of first values that fit, so that callers can continue in smaller batches
 */
export function requireFitting(
  values: readonly (Sized | undefined)[],
  maxBytes: number,
  asked = values.length,
): void {
  const fitting = countFitting(values, maxBytes);
  if (fitting < asked) throw new PayloadTooLargeError('batch', maxBytes, { fitting });
}

function countFitting(values: readonly (Sized | undefined)[], maxBytes: number): number {
  // No byte of a JSON text becomes more than two by escapes: most batches need no closer look.
  const bytes = values.reduce((sum, value) => sum + (value?.bytes ?? 0), 0);
  if (2 * bytes <= maxBytes) return values.length;
  let plain = 0;
  let carried = 0;
  for (const [index, value] of values.entries()) {
    if (value === undefined) continue;
    const isFirst = plain === 0;
    plain += value.bytes;
    carried += Buffer.byteLength(JSON.stringify(value.value));
    const fits = plain <= maxBytes && carried <= maxBytes + ESCAPES_MARGIN_BYTES;
    if (!fits && !isFirst) return index;
  }
  return values.length;
}
