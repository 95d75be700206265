import { setTimeout as sleep } from 'node:timers/promises';
import type { ConnectionProfile } from './connection/profiles.ts';

/** The deadlines of operations that take more than one round trip. */

/**
 * A set must take effect this long before the operation's timeout, in milliseconds. A set that was answered with 503 then cannot
 * apply a moment later, whatever the rounding of timers and clocks.
 */
const MARGIN_MS = 50;

/**
 * The time until which a set may take effect, and that of each attempt to send it.
 *
 * An attempt's deadline is no later than the socket timeout after it was sent. A function sends one command at a time, so it closes a
 * silent connection only when every attempt that was sent on it has passed its deadline.
 */
export class WriteDeadline {
  /** In epoch milliseconds, by this process's clock. */
  readonly epochMs: number;
  /** The same moment by `performance.now()`. */
  readonly monotonicMs: number;
  readonly #socketTimeoutMs: number;
  readonly #attempts: { sentMonotonicMs: number; deadlineEpochMs: number }[] = [];

  /** @param endMonotonicMs when the operation's time ends, by `performance.now()`. Default: the operation timeout from now */
  constructor(
    { operationTimeoutMs, socketTimeoutMs }: ConnectionProfile,
    endMonotonicMs = performance.now() + operationTimeoutMs,
  ) {
    this.monotonicMs = endMonotonicMs - MARGIN_MS;
    this.epochMs = Date.now() + Math.floor(this.monotonicMs - performance.now());
    this.#socketTimeoutMs = socketTimeoutMs;
  }

  /** Records an attempt, which is sent now. @returns its deadline in epoch milliseconds, by this process's clock */
  startAttempt(): number {
    const deadlineEpochMs = Math.min(this.epochMs, Date.now() + this.#socketTimeoutMs);
    this.#attempts.push({ sentMonotonicMs: performance.now(), deadlineEpochMs });
    return deadlineEpochMs;
  }

  /**
   * Waits for the deadline of every attempt that was sent on a connection lost since. The network may deliver such an attempt after
   * the one that was answered. It could then undo what the caller did in between: an invalidation, or another set.
   *
   * @param lastLossMonotonicMs when a connection was last lost, by `performance.now()`
   */
  async waitForAbandonedAttempts(lastLossMonotonicMs: number): Promise<void> {
    const abandoned = this.#attempts.filter(({ sentMonotonicMs }) => sentMonotonicMs <= lastLossMonotonicMs);
    const waitMs = Math.max(0, ...abandoned.map(({ deadlineEpochMs }) => deadlineEpochMs)) - Date.now();
    if (waitMs > 0) await sleep(waitMs);
  }
}

/**
 * How long before the end of the request's reserve the last command must end, in milliseconds. The reserve is 100 ms longer than an
 * operation (see `deadlineEpochMs` of a request), so 300 ms are left for the response.
 */
const RESPONSE_MS = 200;

/** The deadline of an invalidation or a clear, which removes entries page by page. */
export class PagingDeadline {
  readonly #epochMs: number;
  readonly #lastCommandMonotonicMs: number;
  readonly #operationTimeoutMs: number;

  /** @param epochMs epoch milliseconds after which no page may be started */
  constructor(epochMs: number, { operationTimeoutMs }: ConnectionProfile) {
    this.#epochMs = epochMs;
    this.#operationTimeoutMs = operationTimeoutMs;
    const leftMs = Math.max(0, epochMs - Date.now());
    this.#lastCommandMonotonicMs = performance.now() + leftMs + operationTimeoutMs - RESPONSE_MS;
  }

  get hasPassed(): boolean {
    return Date.now() >= this.#epochMs;
  }

  /** The deadline of a command that is sent now, by `performance.now()`. */
  commandDeadlineMonotonicMs(): number {
    return Math.min(performance.now() + this.#operationTimeoutMs, this.#lastCommandMonotonicMs);
  }
}
