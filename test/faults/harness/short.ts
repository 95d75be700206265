import { expect, test } from 'vitest';
import { judgeLimit } from './report.ts';
import { newRun, type Scenario } from './scenario.ts';

/** What a busy machine may add to an answer, in milliseconds; the long form allows nothing. */
const SLACK_MS = 2000;

/** Only a scenario that hangs takes so long: some are over when so much was asked, however busy the machine is. */
const SCENARIO_TIMEOUT_MS = 600_000;

/** A scenario in its short form as a test each: no promise is broken, and the cache was of use. */
export function keepTheirPromises(scenarios: readonly Scenario[], timeoutMs = SCENARIO_TIMEOUT_MS): void {
  test.each(scenarios.map((scenario) => [scenario.breaks, scenario] as const))(
    'no promise is broken: %s',
    async (_, { run, knownLimit }) => {
      const figures = await run(newRun('short'));
      expect(judgeLimit(figures, knownLimit, SLACK_MS), figures.problems.join('\n')).toEqual([]);
      expect(figures.hits).toBeGreaterThan(0);
    },
    timeoutMs,
  );
}
