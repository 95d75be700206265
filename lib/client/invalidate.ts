import { renumber } from './batches.ts';
import { DeadlineError, InvalidationIncompleteError, ValidationError } from './errors.ts';
import { invalidate } from './requests.ts';
import { type Call, type Request, send, type TransportSettings } from './transport.ts';

/** The service's limit of tags in a request. */
const MAX_TAGS = 16;

/** Removes all entries that match a pattern, as `removeAll`. */
export function invalidatePattern(settings: TransportSettings, call: Call, pattern: string): Promise<number> {
  return removeAll(settings, call, invalidate({ pattern }), 0);
}

/**
 * Removes all entries that have one of the tags, as `removeAll`. More tags than fit in a request are sent one request after the other.
 *
 * @throws ValidationError whose issues contain the caller's indexes
 */
export async function invalidateTags(
  settings: TransportSettings,
  call: Call,
  tags: readonly string[],
): Promise<number> {
  let removed = 0;
  for (let first = 0; first < tags.length; first += MAX_TAGS) {
    const request = invalidate({ tags: tags.slice(first, first + MAX_TAGS) });
    try {
      removed = await removeAll(settings, call, request, removed);
    } catch (error) {
      throw error instanceof ValidationError ? renumber(error, (index) => first + index, ['tags']) : error;
    }
  }
  return removed;
}

/**
 * Repeats an invalidation until the service reports that it is complete. One request ends when the service's own time is over.
 *
 * @param before number of entries that earlier requests of the call have removed
 * @returns number of live entries removed by all requests
 * @throws InvalidationIncompleteError with that number if the call's time is over, or if a request removed nothing
 */
async function removeAll(
  settings: TransportSettings,
  call: Call,
  request: Request<number>,
  before: number,
): Promise<number> {
  let removed = before;
  for (;;) {
    try {
      return removed + (await send(settings, call, request));
    } catch (error) {
      if (error instanceof DeadlineError && removed > 0) throw incomplete(error, removed);
      if (!(error instanceof InvalidationIncompleteError)) throw error;
      removed += error.count;
      const ms = error.retryAfterMs ?? 0;
      if (error.count === 0 || ms >= call.deadline.remainingMs()) throw incomplete(error, removed);
      await call.deadline.sleep(ms);
    }
  }
}

function incomplete(cause: InvalidationIncompleteError | DeadlineError, count: number): Error {
  const message = 'Time ran out before the invalidation was complete; repeat the call to remove the rest';
  return new InvalidationIncompleteError({ ...cause, message, details: { count }, cause });
}
