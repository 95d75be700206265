import { inject } from 'vitest';
import type { Target } from './engines/global-setup.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** Whether this is a run of `npm run test:all`; vitest.config.ts sets it. */
    longRun: boolean;
  }
}

/** Whether suites run their long form: all cases of a matrix. `npm test` runs the short form. */
export const LONG_RUN = inject('longRun');

/** The number of generated cases for a property: a tenth of that in `npm test`. */
export const numRuns = (long: number): number => (LONG_RUN ? long : Math.ceil(long / 10));

/**
 * The servers for suites that test what is above the store. The conformance and race tests run on every server, so in `npm test` the
 * first one suffices for the others.
 */
export const mainTargets: readonly Target[] = LONG_RUN ? inject('targets') : inject('targets').slice(0, 1);
