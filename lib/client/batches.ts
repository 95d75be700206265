import { type Issue, PayloadTooLargeError, ValidationError } from './errors.ts';

/** The most keys or items that the service takes in a batch. */
const MOST_ITEMS = 100;

/** What the values of a batch may take together, whatever the service's settings. */
const MOST_BYTES = 5 * 1024 ** 2;

/** How many requests of one call are under way at a time. */
const SIDE_BY_SIDE = 4;

/** Cuts a list into batches of as many as the service takes, which are taken up in order. */
export function batchesOf<I>(items: readonly I[], bytesOf: (item: I) => number = () => 0): I[][] {
  const batches: I[][] = [];
  let bytes = 0;
  for (const item of items) {
    const more = bytesOf(item);
    const last = batches.at(-1);
    if (last && last.length < MOST_ITEMS && bytes + more <= MOST_BYTES) {
      last.push(item);
      bytes += more;
    } else {
      batches.push([item]);
      bytes = more;
    }
  }
  return batches;
}

const utf8 = new TextEncoder();

/** What a JSON text takes of a batch, in bytes: as a string inside of JSON, which is how Lambda carries it. */
export function carriedBytes(text: string): number {
  return utf8.encode(JSON.stringify(text)).length;
}

/** Sends the items of one request. */
type Send<I, R> = (items: I[]) => Promise<R>;

/** Where the item stands in what the caller gave that stands there in all batches together. */
type Place = (index: number) => number;

/**
 * Sends batches a few side by side.
 *
 * @returns what came for each, in order, and in more parts where one had to be cut again
 * @throws ValidationError whose issues name the items as the caller counts them
 */
export async function sendBatches<I, R>(
  batches: I[][],
  send: Send<I, R>,
  place: Place = (index) => index,
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
      results[index] = await sendFitting(items, send, (at) => place(first + at));
    }
  };
  await Promise.all(Array.from({ length: SIDE_BY_SIDE }, worker));
  return results.flat();
}

/** Sends a batch and, if the service says that only its first items fit, these and then the rest. */
async function sendFitting<I, R>(items: I[], send: Send<I, R>, place: Place): Promise<R[]> {
  try {
    return [await send(items)];
  } catch (error) {
    if (error instanceof ValidationError) throw placed(error, place);
    const fitting = (error instanceof PayloadTooLargeError && error.fitting) || 0;
    if (!(fitting >= 1 && fitting < items.length)) throw error;
    const first = await sendFitting(items.slice(0, fitting), send, place);
    return [...first, ...(await sendFitting(items.slice(fitting), send, (at) => place(fitting + at)))];
  }
}

/** The same error, with `keys.3` or `items.3.ttl`, which the service counts within its batch, as the caller counts it. */
function placed(error: ValidationError, place: Place): ValidationError {
  const issues = error.issues.map(({ field, ...rest }): Issue => {
    const moved = field.replace(/^((?:keys|items)\.)(\d+)/, (_, list, at) => `${list}${place(Number(at))}`);
    return { ...rest, field: moved };
  });
  const { cause } = error;
  // The message names the first one.
  const message = error.message.replace(`${error.issues[0]?.field} `, () => `${issues[0]?.field} `);
  return new ValidationError({ ...error, message, details: { ...error.details, issues }, cause });
}
