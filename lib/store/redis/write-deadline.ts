import { setTimeout as sleep } from 'node:timers/promises';
import { presets } from './connection/profiles.ts';

/**
 * How long after its call a set may still take effect, in milliseconds: less than its caller waits, so that one that was
 * answered with a failure cannot come true a moment later, whatever timers and clocks round.
 */
const SET_WINDOW_MS = presets.lambda.operationTimeout - 50;

/**
 * How long each attempt at it may, in milliseconds: as long as silence is borne on the connection that it went out on. A
 * function, which sends one thing at a time, gives a connection up only when what it sent there is over.
 */
const ATTEMPT_WINDOW_MS = presets.lambda.socketTimeout;

/** The time in which a set may take effect, which begins now. */
export class SetWindow {
  /** Its end in epoch milliseconds, by our clock, and by `performance.now()`. */
  readonly deadline = Date.now() + SET_WINDOW_MS;
  readonly end = performance.now() + SET_WINDOW_MS;
  readonly #attempts: { sentAt: number; deadline: number }[] = [];

  /** To be called when the set is sent, every time. @returns this attempt's deadline in epoch milliseconds, by our clock */
  attempt(): number {
    const deadline = Math.min(this.deadline, Date.now() + ATTEMPT_WINDOW_MS);
    this.#attempts.push({ sentAt: performance.now(), deadline });
    return deadline;
  }

  /**
   * Waits until no attempt can take effect any more that went out on a connection which was given up, at `gaveUpAt` by
   * `performance.now()` or before. The network may deliver such a one late, behind the one that was answered, and so undo what
   * the caller has done since: an invalidation, or another set.
   */
  async outlast(gaveUpAt: number): Promise<void> {
    const abandoned = this.#attempts.filter(({ sentAt }) => sentAt <= gaveUpAt);
    const wait = Math.max(0, ...abandoned.map(({ deadline }) => deadline)) - Date.now();
    if (wait > 0) await sleep(wait);
  }
}
