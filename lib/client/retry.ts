import { CacheError, ConnectionError, InvalidationIncompleteError } from './errors.ts';

/**
 * When a request may be sent again.
 *
 * `always`: reads and removals. At worst a removal that comes late takes something that was set in between, which is a miss.
 *
 * `unless-taken`: sets, which are sent again only where they were certainly not taken. Of one whose answer was lost nobody knows
 * whether it is still on its way:
 *
 *     set ------------------------------------------------> arrives: what was gone is back
 *     set again --> arrives   invalidate --> arrives
 *
 * Its caller would have been told that all is well; that the set failed is what tells it that this can happen.
 */
export type Repeatable = 'always' | 'unless-taken';

const TRANSIENT = new Set([429, 502, 503, 504]);

/** Whether a request that failed so may be sent again. */
export function mayRepeat(repeatable: Repeatable, error: unknown): error is CacheError {
  // It is no failure to try again but half of a success, to be counted.
  if (error instanceof InvalidationIncompleteError) return false;
  if (error instanceof ConnectionError) return repeatable === 'always' || !error.maybeSent;
  if (!(error instanceof CacheError) || error.status === undefined) return false;
  // What throttles a request does so before anything looks at it.
  return repeatable === 'always' ? TRANSIENT.has(error.status) : error.status === 429;
}

const FIRST_MS = 100;
const MOST_MS = 2000;

/**
 * How long to wait before a retry, in milliseconds: anything up to a bound that doubles each time («full jitter»), so that
 * those who failed together do not come back together; after what the service asked for, if it did.
 *
 * @param retries how many there were before
 */
export function waitMs(retries: number, error: CacheError): number {
  return (error.retryAfterMs ?? 0) + Math.random() * Math.min(MOST_MS, FIRST_MS * 2 ** retries);
}

/** Node's and Bun's names for a connection that did not come to be. */
const NOT_CONNECTED =
  /^(?:ECONNREFUSED|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|UND_ERR_CONNECT_TIMEOUT|ConnectionRefused|FailedToOpenSocket)$/;

/** The error for what `fetch` threw. Where a runtime does not tell whether anything was sent, it may have been. */
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
