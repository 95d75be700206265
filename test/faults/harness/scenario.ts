/**
 * The harness in short. A scenario breaks something under load, and reports figures of what callers met:
 *
 * - `scenario.ts`: what a scenario is. `../scenarios.ts` is the table of all of them; `short.ts` runs them as tests.
 * - `experiment.ts`: `underLoad` runs the service on a backend with load on it and breaks things meanwhile. Most scenarios are
 *   one call of it.
 * - `load.ts`: the load itself, over any `Caller` (`caller.ts`: HTTP to the local server, or bundled functions in sandboxes).
 *   `load.during(fault)` marks the time in which a failure is explained, and measures how long the service takes to recover.
 * - `history.ts`, `checker.ts`, `value.ts`: what was asked and answered, and whether each read may have returned what it did.
 * - `figures.ts`: what comes out, and which promises that breaks. `report.ts`: the table.
 */
import type { Figures } from './figures.ts';

/** The short form takes a few seconds, among the tests; the long one is for `npm run faults`. */
export type Scale = 'short' | 'long';

/** What a scenario gets to work with. */
export interface Run {
  scale: Scale;
  /** Of two values, the one for this scale. */
  pick<T>(short: T, long: T): T;
  /** Tells a person what is going on. */
  say(line: string): void;
}

export interface Scenario {
  /** Unique, such as `server-killed`: how the command line names it. */
  name: string;
  /** What is broken, for the table: `server killed, comes back empty`. */
  breaks: string;
  /**
   * For a scenario that shows a known limit: what it shows. Its stale reads break no promise; that it shows none any more does.
   */
  knownLimit?: string;
  run(run: Run): Promise<Figures>;
}

export function newRun(scale: Scale, say: (line: string) => void = () => {}): Run {
  return { scale, pick: (short, long) => (scale === 'short' ? short : long), say };
}
