import { CacheError, ConnectionError, DeadlineError } from './errors.ts';

const FIRST_PAUSE_MS = 1000;
const LONGEST_PAUSE_MS = 10_000;

const UNAVAILABLE = new Set<number | undefined>([502, 503, 504]);

/** Whether a lookup failed in a way in which a set, or the next lookup, would most likely fail as well. */
export function isUnavailable(error: unknown): boolean {
  if (error instanceof ConnectionError || error instanceof DeadlineError) return true;
  return error instanceof CacheError && UNAVAILABLE.has(error.status);
}

/**
 * Remembers that lookups failed since the cache is unavailable, so that not each `getOrSet` waits for its timeout. After a pause
 * one lookup goes out as a probe. While it is under way, and after it has failed, the others pause again, for twice as long.
 */
export class Outage {
  /** Pauses since the last answer. 0: the cache is available. */
  #pauses = 0;
  #pauseEndMonotonicMs = 0;
  #lastAnswerMonotonicMs = 0;

  /** Whether a lookup may go out. */
  mayTry(): boolean {
    if (this.#pauses === 0) return true;
    if (performance.now() < this.#pauseEndMonotonicMs) return false;
    this.#pause();
    return true;
  }

  answered(): void {
    this.#pauses = 0;
    this.#lastAnswerMonotonicMs = performance.now();
  }

  /** @param startedMonotonicMs when the lookup went out: if another one was answered since, the cache is available */
  failed(startedMonotonicMs: number): void {
    if (this.#pauses === 0 && this.#lastAnswerMonotonicMs <= startedMonotonicMs) this.#pause();
  }

  /** Half of a pause is random, so that processes which saw the same outage do not probe together. */
  #pause(): void {
    const ms = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** this.#pauses++);
    this.#pauseEndMonotonicMs = performance.now() + ms * (0.5 + Math.random() / 2);
  }
}
