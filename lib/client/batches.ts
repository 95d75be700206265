import { type Issue, PayloadTooLargeError, ValidationError } from './errors.ts';

/** The service's limit of keys or items in a batch. */
const MAX_ITEMS = 100;

/** Bytes of values in a batch that the service accepts with any settings. */
const MAX_BYTES = 5 * 1024 ** 2;

/** Bytes of everything but the values in a batch. The service accepts a little more. Only tags can reach it. */
const MAX_REST_BYTES = 512 * 1024;

/** Concurrent requests of one call. */
const CONCURRENCY = 4;

/** What an item adds to the body of a batch. */
export interface Size {
  bytes: number;
  /** Without its value. */
  restBytes: number;
}

/** Splits a list, in order, into batches that the service accepts. @param sizeOf default: any number of bytes is accepted */
export function batchesOf<I>(items: readonly I[], sizeOf?: (item: I) => Size): I[][] {
  const batches: I[][] = [];
  let bytes = 0;
  let restBytes = 0;
  for (const item of items) {
    const size = sizeOf?.(item) ?? { bytes: 0, restBytes: 0 };
    bytes += size.bytes;
    restBytes += size.restBytes;
    const last = batches.at(-1);
    if (last && last.length < MAX_ITEMS && bytes <= MAX_BYTES && restBytes <= MAX_REST_BYTES) {
      last.push(item);
    } else {
      batches.push([item]);
      ({ bytes, restBytes } = size);
    }
  }
  return batches;
}

const utf8 = new TextEncoder();

/**
 * The size of a JSON text as an escaped string, because Lambda receives the request's body as a string in the JSON of its event.
 *
 * @param rest the text without its value
 */
export function sizeOf(text: string, rest: string): Size {
  return { bytes: utf8.encode(JSON.stringify(text)).length, restBytes: utf8.encode(rest).length };
}

/** Sends one request. */
type Send<I, R> = (items: I[]) => Promise<R>;

/** Converts an index in the concatenated batches to the index in the caller's list. */
type ToCallerIndex = (index: number) => number;

/**
 * Sends batches, a few at a time.
 *
 * @returns the results in order. A batch that had to be split has several
 * @throws ValidationError whose issues contain the caller's indexes
 */
export async function sendBatches<I, R>(
  batches: I[][],
  send: Send<I, R>,
  toCallerIndex: ToCallerIndex = (index) => index,
): Promise<R[]> {
  const results: R[][] = [];
  let next = 0;
  let sent = 0;
  const worker = async (): Promise<void> => {
    while (next < batches.length) {
      const index = next++;
      const items = batches[index] ?? [];
      const first = sent;
      sent += items.length;
      results[index] = await sendFitting(items, send, (at) => toCallerIndex(first + at));
    }
  };
  await Promise.all(Array.from({ length: CONCURRENCY }, worker));
  return results.flat();
}

/** Sends a batch. If the service reports that only the first items fit, sends those and then the rest. */
async function sendFitting<I, R>(items: I[], send: Send<I, R>, toCallerIndex: ToCallerIndex): Promise<R[]> {
  try {
    return [await send(items)];
  } catch (error) {
    if (error instanceof ValidationError) throw renumber(error, toCallerIndex);
    const fitting = fittingOf(error, items.length);
    if (fitting === 0) throw error;
    const first = await sendFitting(items.slice(0, fitting), send, toCallerIndex);
    const rest = await sendFitting(items.slice(fitting), send, (at) => toCallerIndex(fitting + at));
    return [...first, ...rest];
  }
}

/** Number of the first items of a batch that can be sent alone, if the batch is too large and can be split; or else 0. */
export function fittingOf(error: unknown, length: number): number {
  const fitting = (error instanceof PayloadTooLargeError && error.fitting) || 0;
  return fitting >= 1 && fitting < length ? fitting : 0;
}

/** Replaces the batch's indexes in fields such as `keys.3` or `items.3.ttl` by the caller's. @param lists names of what was split */
export function renumber(
  error: ValidationError,
  toCallerIndex: ToCallerIndex,
  lists: readonly string[] = ['keys', 'items'],
): ValidationError {
  const issues = error.issues.map(({ field, ...rest }): Issue => {
    const [list = '', index = '', ...members] = field.split('.');
    if (!lists.includes(list) || !/^\d+$/.test(index)) return { ...rest, field };
    return { ...rest, field: [list, toCallerIndex(Number(index)), ...members].join('.') };
  });
  const { cause } = error;
  // The message contains the first issue.
  const message = error.message.replace(`${error.issues[0]?.field} `, () => `${issues[0]?.field} `);
  return new ValidationError({ ...error, message, details: { ...error.details, issues }, cause });
}
