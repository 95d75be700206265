/**
 * Overview of the harness. A scenario injects a fault under load and reports figures about the requests:
 *
 * - `scenario.ts`: the interface of a scenario. `../scenarios.ts` lists all of them; `short.ts` runs them as tests.
 * - `experiment.ts`: `underLoad` runs the service on a backend under load while faults are injected. Most scenarios are one call
 *   of it.
 * - `load.ts`: the load, which sends requests with a `Caller` (`caller.ts`: HTTP to the local server, or bundled functions in
 *   sandboxes). `load.during(fault)` marks the time in which failures are explained, and measures the recovery time.
 * - `history.ts`, `checker.ts`, `value.ts`: the requests and responses, and whether each read returned an allowed value.
 * - `figures.ts`: the results, and the promises that they break. `report.ts`: the table.
 */
import type { Figures } from './figures.ts';

/** The short form takes a few seconds and runs as a test. The long form is for `npm run faults`. */
export type Scale = 'short' | 'long';

/** The parameters of a run. */
export interface Run {
  scale: Scale;
  /** Returns the value for this scale. */
  pick<T>(short: T, long: T): T;
  /** Prints a line about the progress. */
  log(line: string): void;
}

export interface Scenario {
  /** Unique name for the command line, such as `server-killed`. */
  name: string;
  /** The fault, for the table: `server killed, comes back empty`. */
  breaks: string;
  /**
   * The known limit that the scenario demonstrates, if any. Stale reads are then expected, and their absence is a violation.
   */
  knownLimit?: string;
  run(run: Run): Promise<Figures>;
}

export function newRun(scale: Scale, log: (line: string) => void = () => {}): Run {
  return { scale, pick: (short, long) => (scale === 'short' ? short : long), log };
}
