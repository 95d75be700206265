import type { Call } from './caller.ts';

export type OperationName = Call['operation'];

/** What a scenario has to show for itself. Times are in milliseconds. */
export interface Figures {
  requests: number;
  hits: number;
  /** Failed requests by status and code, such as `503 BACKEND_UNAVAILABLE`. */
  failures: Record<string, number>;
  /** Failures that nothing explains: another answer than a success or a 503 during the fault, or none at all. */
  unexplained: number;
  /**
   * Timeouts outside of every fault. Unexplained as well, unless the machine kept the processes waiting: what is not run for
   * that long finds its time over when it is.
   */
  timeouts: number;
  /** Failed answers that show more than the contract says. */
  leaks: number;
  slowestMs: number;
  /** Of gets, sets and deletes that succeeded; what walks through entries takes as long as there are many. */
  slowestSuccessMs: number;
  /** Of the 503s of BACKEND_UNAVAILABLE. */
  slowest503Ms: number;
  /** What the fault itself adds to an answer's way. */
  injectedDelayMs: number;
  /** How long the machine kept the one who asks waiting at worst, which adds to the times above and is nobody's fault. */
  lagMs: number;
  /** Reads of what had been invalidated, or replaced, before; see the checker. */
  stale: number;
  foreign: number;
  torn: number;
  outlived: number;
  /** From the end of the fault until each operation succeeded, at worst; none where no fault has an end. */
  recoveryMs: Partial<Record<OperationName, number>>;
  /** Whatever else the scenario has found out. */
  notes: Record<string, number | string>;
  /** One line about each thing that should not have been, the first few of them. */
  problems: string[];
}

export function noFigures(): Figures {
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

/** How late a 503 may come, and a success of one round trip too, in milliseconds, beyond what the fault itself adds. */
export const PROMISED_503_MS = 1000;

/** From so many milliseconds on a lag explains a timeout: operations have 900 ms, and several processes lag in turn. */
const BUSY_MS = 100;

/** The promises that these figures show to be broken; none: all were kept. `slackMs` is what a busy machine may add. */
export function brokenPromises(figures: Figures, slackMs = 0): string[] {
  const { unexplained, leaks, stale, foreign, torn, outlived } = figures;
  const { slowest503Ms, slowestSuccessMs, injectedDelayMs, lagMs } = figures;
  const counts = { unexplained, leaks, stale, foreign, torn, outlived };
  const broken = Object.entries(counts).flatMap(([name, count]) => (count > 0 ? [`${count} ${name}`] : []));
  if (figures.timeouts > 0 && lagMs < BUSY_MS) broken.push(`${figures.timeouts} timeouts without a fault`);
  const latest = PROMISED_503_MS + injectedDelayMs + Math.round(lagMs) + slackMs;
  if (slowest503Ms > latest)
    broken.push(`a 503 after ${Math.round(slowest503Ms)} ms and not within ${latest}`);
  if (slowestSuccessMs > latest)
    broken.push(`a success after ${Math.round(slowestSuccessMs)} ms and not within ${latest}`);
  if (figures.requests === 0) broken.push('no requests');
  return broken;
}
