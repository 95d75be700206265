import { presets } from './connection/profiles.ts';

/**
 * How long after the deadline what was begun before it may still take, in milliseconds. The rest of the second that callers
 * keep back is for the answer.
 */
const UNDER_WAY_MS = 700;

/** The time that work on many pages has. */
export class TimeLeft {
  readonly #deadline: number;
  readonly #last: number;

  /** @param deadline epoch milliseconds by which nothing more may be begun */
  constructor(deadline: number) {
    this.#deadline = deadline;
    this.#last = performance.now() + Math.max(0, deadline - Date.now()) + UNDER_WAY_MS;
  }

  get isOver(): boolean {
    return Date.now() >= this.#deadline;
  }

  /** When an operation that begins now has to give up, by `performance.now()`. */
  end(): number {
    return Math.min(performance.now() + presets.lambda.operationTimeout, this.#last);
  }
}
