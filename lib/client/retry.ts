import { CacheError, ConnectionError, InvalidationIncompleteError } from './errors.ts';

/**
 * When a request may be retried.
 *
 * `always`: reads, removals and sets with a lease. A removal that arrives late can at worst remove a newer entry, which is a miss. A set
 * with a lease that arrives late is rejected if the lease has ended, and changes nothing if it was applied before.
 *
 * `if-not-received`: other sets and touches. A set whose response was lost may still arrive. If a retry of it succeeded, the caller would not know that
 * the first attempt can undo a later invalidation:
 *
 *     set ------------------------------------------------> arrives: the invalidated entry is back
 *     set again --> arrives   invalidate --> arrives
 */
export type RetryPolicy = 'always' | 'if-not-received';

const TRANSIENT = new Set([429, 502, 503, 504]);

/** Whether a request that failed with this error may be sent again. */
export function mayRetry(policy: RetryPolicy, error: unknown): error is CacheError {
  // `invalidateAll` repeats these requests, because it has to add up their counts.
  if (error instanceof InvalidationIncompleteError) return false;
  if (error instanceof ConnectionError) return policy === 'always' || !error.maybeSent;
  if (!(error instanceof CacheError) || error.status === undefined) return false;
  // A throttled request has not reached the service.
  return policy === 'always' ? TRANSIENT.has(error.status) : error.status === 429;
}

const BASE_DELAY_MS = 100;
const MAX_DELAY_MS = 2000;

/**
 * Delay before a retry: Retry-After, plus a random delay up to a bound that doubles with each retry (full jitter). Clients that
 * failed together therefore do not retry together.
 *
 * @param retries number of earlier retries
 */
export function retryDelayMs(retries: number, error: CacheError): number {
  return (error.retryAfterMs ?? 0) + Math.random() * Math.min(MAX_DELAY_MS, BASE_DELAY_MS * 2 ** retries);
}

/** Error codes of Node and Bun if no connection was made. */
const NOT_CONNECTED =
  /^(?:ECONNREFUSED|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|UND_ERR_CONNECT_TIMEOUT|ConnectionRefused|FailedToOpenSocket)$/;

/** Wraps what `fetch` threw. `maybeSent` is true unless the runtime reports that no connection was made. */
export function connectionError(
  cause: unknown,
  url: string,
  ids: { correlationId: string | undefined; requestId: string },
): CacheError {
  const code = codeOf(cause) ?? codeOf((cause as { cause?: unknown } | undefined)?.cause);
  const message = `The cache at ${url} could not be reached`;
  return new ConnectionError({ ...ids, message, cause, maybeSent: !NOT_CONNECTED.test(code ?? '') });
}

function codeOf(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | null | undefined)?.code;
  return typeof code === 'string' ? code : undefined;
}
