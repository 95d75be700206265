import { CacheError, ConnectionError, DeadlineError } from './errors.ts';

const MIN_PAUSE_MS = 1000;
const MAX_PAUSE_MS = 10_000;

const UNAVAILABLE = new Set<number | undefined>([502, 503, 504]);

/** Whether the next request would most likely fail for the same reason. */
export function isUnavailable(error: unknown): boolean {
  if (error instanceof ConnectionError || error instanceof DeadlineError) return true;
  return error instanceof CacheError && UNAVAILABLE.has(error.status);
}

/**
 * Circuit breaker of `getOrSet`: while the cache is unavailable, calls skip the lookup instead of waiting for its timeout. After a
 * pause one lookup is sent as a probe. While the probe is under way, and after it has failed, the others pause twice as long.
 */
export class Outage {
  /** Pauses since the last response. 0: the cache is available. */
  #pauses = 0;
  #pauseEndMonotonicMs = 0;
  #lastResponseMonotonicMs = 0;

  /** Whether a lookup may be sent. */
  mayTry(): boolean {
    if (this.#pauses === 0) return true;
    if (performance.now() < this.#pauseEndMonotonicMs) return false;
    this.#pause();
    return true;
  }

  recordResponse(): void {
    this.#pauses = 0;
    this.#lastResponseMonotonicMs = performance.now();
  }

  /** @param startedMonotonicMs start of the failed lookup. If another one got a response since, the cache is available */
  recordFailure(startedMonotonicMs: number): void {
    if (this.#pauses === 0 && this.#lastResponseMonotonicMs <= startedMonotonicMs) this.#pause();
  }

  /** Half of a pause is random, so that processes that saw the same outage do not probe at the same time. */
  #pause(): void {
    const ms = Math.min(MAX_PAUSE_MS, MIN_PAUSE_MS * 2 ** this.#pauses++);
    this.#pauseEndMonotonicMs = performance.now() + ms * (0.5 + Math.random() / 2);
  }
}
