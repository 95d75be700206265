import { PayloadTooLargeError } from '../errors.ts';
import { config } from '../settings.ts';
import { MAX_BATCH_BYTES } from './schemas.ts';

/** What the values of a batch may take together, in bytes. A value that may be set at all fits into a batch of its own. */
export const maxBatchBytes = Math.max(MAX_BATCH_BYTES, config.maxValueBytes);

/**
 * What escapes may add to that, in bytes. Lambda carries an answer as a JSON string inside of JSON, in which every quote and
 * backslash is escaped. With a hundred of the longest keys it is still below 6 MB.
 */
const ESCAPES_MARGIN_BYTES = 512 * 1024;

/**
 * Sees to it that the values of a batch can be carried together.
 *
 * @param values JSON texts in the batch's order, undefined where there is none
 * @param asked how many were asked for, if that is more than there are
 * @throws PayloadTooLargeError that says how many of the first ones fit, so that callers can go on in smaller batches
 */
export function requireFitting(values: readonly (string | undefined)[], asked = values.length): void {
  const fitting = countFitting(values);
  if (fitting < asked) throw new PayloadTooLargeError('batch', maxBatchBytes, { fitting });
}

function countFitting(values: readonly (string | undefined)[]): number {
  // No character takes more than three bytes, escaped or not: most batches need no closer look.
  const characters = values.reduce((sum, value = '') => sum + value.length, 0);
  if (3 * characters <= maxBatchBytes) return values.length;
  let plain = 0;
  let carried = 0;
  for (const [index, value] of values.entries()) {
    if (value === undefined) continue;
    const isFirst = plain === 0;
    plain += Buffer.byteLength(value);
    carried += Buffer.byteLength(JSON.stringify(value));
    const fits = plain <= maxBatchBytes && carried <= maxBatchBytes + ESCAPES_MARGIN_BYTES;
    if (!fits && !isFirst) return index;
  }
  return values.length;
}
