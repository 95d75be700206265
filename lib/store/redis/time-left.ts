import type { ConnectionProfile } from './connection/profiles.ts';

/**
 * By how much the last command of a request must end before the request's reserve is used up, in milliseconds; see `deadlineOf`. The
 * reserve is 100 ms longer than an operation, so that 300 ms are left for the answer.
 */
const ANSWER_MS = 200;

/** The time for work on many pages. */
export class TimeLeft {
  readonly #deadlineEpochMs: number;
  readonly #lastMonotonicMs: number;
  readonly #operationTimeoutMs: number;

  /** @param deadlineEpochMs epoch milliseconds after which nothing more may be started */
  constructor(deadlineEpochMs: number, { operationTimeoutMs }: ConnectionProfile) {
    this.#deadlineEpochMs = deadlineEpochMs;
    this.#operationTimeoutMs = operationTimeoutMs;
    const leftMs = Math.max(0, deadlineEpochMs - Date.now());
    this.#lastMonotonicMs = performance.now() + leftMs + operationTimeoutMs - ANSWER_MS;
  }

  get isOver(): boolean {
    return Date.now() >= this.#deadlineEpochMs;
  }

  /** The deadline of an operation that starts now, by `performance.now()`. */
  operationDeadline(): number {
    return Math.min(performance.now() + this.#operationTimeoutMs, this.#lastMonotonicMs);
  }
}
