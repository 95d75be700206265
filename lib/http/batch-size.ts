import { PayloadTooLargeError } from '../errors.ts';
import type { Hit } from '../store/store.ts';

/**
 * Maximum size that escaping may add to the values of a batch, in bytes. A function returns its response to Lambda as a JSON
 * string, in which every quote and backslash is escaped. Together with a hundred keys of the maximum length the response is then
 * below Lambda's limit of 6 MB.
 */
const ESCAPES_MARGIN_BYTES = 512 * 1024;

/** A value's JSON text, and its length in bytes of UTF-8. */
type Sized = Pick<Hit, 'bytes' | 'value'>;

/**
 * Checks that the values of a batch fit into one response or request.
 *
 * @param values in the order of the batch; undefined for a miss
 * @param maxBytes limit for all values together
 * @param requested number of keys in the request, if it is greater than the number of values
 * @throws PayloadTooLargeError with the number of first values that fit, so that callers can continue in smaller batches
 */
export function requireFitting(
  values: readonly (Sized | undefined)[],
  maxBytes: number,
  requested = values.length,
): void {
  const fitting = countFitting(values, maxBytes);
  if (fitting < requested) throw new PayloadTooLargeError('batch', maxBytes, { fitting });
}

/** The number of first values that fit, at least one: a single value always fits. @param values as in {@link requireFitting} */
export function countFitting(values: readonly (Sized | undefined)[], maxBytes: number): number {
  // Escaping at most doubles a JSON text, so most batches need not be escaped to find their size.
  const bytes = values.reduce((sum, value) => sum + (value?.bytes ?? 0), 0);
  if (2 * bytes <= maxBytes) return values.length;
  let rawBytes = 0;
  let escapedBytes = 0;
  for (const [index, value] of values.entries()) {
    if (value === undefined) continue;
    const isFirst = rawBytes === 0;
    rawBytes += value.bytes;
    escapedBytes += Buffer.byteLength(JSON.stringify(value.value));
    const fits = rawBytes <= maxBytes && escapedBytes <= maxBytes + ESCAPES_MARGIN_BYTES;
    if (!fits && !isFirst) return index;
  }
  return values.length;
}
