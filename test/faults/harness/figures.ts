import type { Call } from './caller.ts';

export type OperationName = Call['operation'];

/** The results of a scenario. Times are in milliseconds. */
export interface Figures {
  requests: number;
  hits: number;
  /** Failed requests by status and code, such as `503 BACKEND_UNAVAILABLE`. */
  failures: Record<string, number>;
  /** Unexplained failures: no response, or neither a success nor a 503 during a fault. */
  unexplained: number;
  /**
   * Timeouts outside of a fault. They count as unexplained unless the machine was busy: a process that does not get the processor
   * for that long times out.
   */
  timeouts: number;
  /** Error responses that reveal more than the contract allows. */
  leaks: number;
  slowestMs: number;
  /** Slowest successful get, set or delete. Other operations take longer the more entries there are. */
  slowestSuccessMs: number;
  /** Slowest 503 BACKEND_UNAVAILABLE. */
  slowest503Ms: number;
  /** Latency that the fault itself adds to a response. */
  injectedDelayMs: number;
  /** Longest time in which the calling process did not get the processor. It is included in the times above. */
  lagMs: number;
  /** Reads of values that had been invalidated or replaced before; see `checker.ts`. */
  stale: number;
  foreign: number;
  torn: number;
  outlived: number;
  /** Longest time from the end of a fault until each operation succeeded. Empty if there was no fault with an end. */
  recoveryMs: Partial<Record<OperationName, number>>;
  /** Further results of the scenario. */
  notes: Record<string, number | string>;
  /** One line for each of the first few violations. */
  problems: string[];
}

export function emptyFigures(): Figures {
  return {
    requests: 0,
    hits: 0,
    failures: {},
    unexplained: 0,
    timeouts: 0,
    leaks: 0,
    slowestMs: 0,
    slowestSuccessMs: 0,
    slowest503Ms: 0,
    injectedDelayMs: 0,
    lagMs: 0,
    stale: 0,
    foreign: 0,
    torn: 0,
    outlived: 0,
    recoveryMs: {},
    notes: {},
    problems: [],
  };
}

/** Maximum time of a 503 and of a success with one round trip, in milliseconds, without the latency that the fault adds. */
export const MAX_RESPONSE_MS = 1000;

/** Lag from which on a timeout is explained by a busy machine, in milliseconds. The timeout is 900 ms, but lags of several processes add up. */
const BUSY_MS = 100;

/** Returns a line for each promise that was broken. `slackMs` is the time that a busy machine may add. */
export function brokenPromises(figures: Figures, slackMs = 0): string[] {
  const { unexplained, leaks, stale, foreign, torn, outlived } = figures;
  const { slowest503Ms, slowestSuccessMs, injectedDelayMs, lagMs } = figures;
  const counts = { unexplained, leaks, stale, foreign, torn, outlived };
  const broken = Object.entries(counts).flatMap(([name, count]) => (count > 0 ? [`${count} ${name}`] : []));
  if (figures.timeouts > 0 && lagMs < BUSY_MS) broken.push(`${figures.timeouts} timeouts without a fault`);
  const latest = MAX_RESPONSE_MS + injectedDelayMs + Math.round(lagMs) + slackMs;
  if (slowest503Ms > latest) broken.push(`a 503 took ${Math.round(slowest503Ms)} ms, more than ${latest}`);
  if (slowestSuccessMs > latest)
    broken.push(`a success took ${Math.round(slowestSuccessMs)} ms, more than ${latest}`);
  if (figures.requests === 0) broken.push('no requests');
  return broken;
}
