import { DeadlineError, InvalidationIncompleteError } from './errors.ts';
import { invalidate } from './requests.ts';
import { type Call, send, type TransportSettings } from './transport.ts';

/**
 * Repeats an invalidation until the service reports that it is complete. One request ends when the service's own time is over.
 *
 * @returns number of live entries removed by all requests
 * @throws InvalidationIncompleteError with that number if the call's time is over, or if a request removed nothing
 */
export async function invalidateAll(
  settings: TransportSettings,
  call: Call,
  pattern: string,
): Promise<number> {
  let removed = 0;
  for (;;) {
    try {
      return removed + (await send(settings, call, invalidate(pattern)));
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
