import { DeadlineError, InvalidationIncompleteError } from './errors.ts';
import { invalidation } from './requests.ts';
import { type Call, send, type TransportSettings } from './transport.ts';

/**
 * Invalidates until the service says that it is complete: it stops when its own time is up, and goes on when asked again.
 *
 * @returns how many live entries went, in all rounds
 * @throws InvalidationIncompleteError with that number, when this call's time is up as well, or a round has removed nothing, so
 *   that the next would get no further
 */
export async function invalidateAll(
  settings: TransportSettings,
  call: Call,
  pattern: string,
): Promise<number> {
  let removed = 0;
  for (;;) {
    try {
      return removed + (await send(settings, call, invalidation(pattern)));
    } catch (error) {
      if (error instanceof DeadlineError && removed > 0) throw incomplete(error, removed);
      if (!(error instanceof InvalidationIncompleteError)) throw error;
      removed += error.count;
      const ms = error.retryAfterMs ?? 0;
      if (error.count === 0 || ms >= call.deadline.leftMs()) throw incomplete(error, removed);
      await call.deadline.sleep(ms);
    }
  }
}

function incomplete(cause: InvalidationIncompleteError | DeadlineError, count: number): Error {
  const { status, correlationId, requestId, retryAfterMs } = cause;
  const message = 'Time ran out before the invalidation was complete; the same call again removes more';
  const details = { count };
  return new InvalidationIncompleteError({
    message,
    status,
    correlationId,
    requestId,
    retryAfterMs,
    details,
    cause,
  });
}
