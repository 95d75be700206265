import { emptyFigures } from '../faults/harness/figures.ts';
import { watchLag } from '../faults/harness/lag.ts';
import type { Run, Scenario } from '../faults/harness/scenario.ts';
import { attackFunctions } from './attack/events.ts';
import { withSeed } from './attack/seed.ts';
import { attackService } from './attack/service.ts';
import type { Tally } from './attack/tally.ts';

/** Maximum response time, in milliseconds. */
const MAX_RESPONSE_MS = 1000;

/** Errors that no input may cause. */
const UNAVAILABLE = ['503 BACKEND_UNAVAILABLE', '503 INVALIDATION_INCOMPLETE'];

/** An error that no HTTP request may cause. A function may return it for an event that API Gateway never sends. */
const FAULT = '500 INTERNAL_SERVER_ERROR';

/** @param faults errors that must not occur */
async function figuresOf(run: Run, faults: readonly string[], attack: (seed: number) => Promise<Tally>) {
  const figures = emptyFigures();
  const lag = watchLag();
  try {
    const tally = await withSeed(attack).finally(() => {
      figures.lagMs = lag();
    });
    run.log(String(tally));
    figures.requests = tally.requests;
    figures.slowestMs = tally.slowestMs;
    for (const [kind, count] of tally.responses) if (/^[45]\d\d /.test(kind)) figures.failures[kind] = count;
    // Allow for the time in which this process did not run: responses were read that much later.
    if (tally.slowestMs > MAX_RESPONSE_MS + figures.lagMs)
      figures.problems.push(`${tally.slowestMs} ms for ${tally.slowest}`);
  } catch (error) {
    figures.requests = 1;
    figures.problems.push((error as Error).message);
  }
  for (const fault of faults) if (figures.failures[fault]) figures.problems.push(fault);
  figures.unexplained = figures.problems.length;
  return figures;
}

/** Scenarios with hostile input. No fault is injected. */
export const hostileInput: readonly Scenario[] = [
  ...(['embedded', 'server'] as const).map(
    (backend): Scenario => ({
      name: `hostile-requests-${backend}`,
      breaks: `hostile requests over HTTP, backend: ${backend}`,
      run: (run) =>
        figuresOf(run, [FAULT, ...UNAVAILABLE], (seed) =>
          attackService({ backend, rounds: run.pick(1, 3), series: 100, volleys: 12, seed }),
        ),
    }),
  ),
  ...[false, true].map(
    (claims): Scenario => ({
      name: `hostile-events-${claims ? 'claims' : 'headers'}`,
      breaks: `hostile events, also malformed ones, tenant from ${claims ? "a token's claim" : 'a header'}`,
      run: (run) =>
        figuresOf(run, UNAVAILABLE, (seed) => attackFunctions({ claims, series: run.pick(20, 120), seed })),
    }),
  ),
];
