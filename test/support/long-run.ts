import { inject } from 'vitest';
import type { Target } from './engines/global-setup.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** Whether this is a run of `npm run test:all`. Set by vitest.config.ts. */
    longRun: boolean;
  }
}

/** Whether suites run their long form: all cases of a matrix. `npm test` runs the short form. */
export const LONG_RUN = inject('longRun');

/** Returns the number of generated cases of a property: `long`, or a tenth of it in `npm test`. */
export const numRuns = (long: number): number => (LONG_RUN ? long : Math.ceil(long / 10));

/** Returns the rows of a table whose tests start a process each: all, or the first `count` in `npm test`. */
export const firstRows = <T>(count: number, rows: readonly T[]): T[] =>
  LONG_RUN ? [...rows] : rows.slice(0, count);

/**
 * The backends for suites that test the layers above the store. The conformance and race tests run on every backend, so in
 * `npm test` the first one is enough for the others.
 */
export const mainTargets: readonly Target[] = LONG_RUN ? inject('targets') : inject('targets').slice(0, 1);
