import { describe, expect, test } from 'vitest';
import { judgeLimit } from './report.ts';
import { newRun, type Scenario } from './scenario.ts';

/** What a busy machine may add to the time of a response, in milliseconds. The long form allows nothing. */
const SLACK_MS = 2000;

/** Only a scenario that hangs takes so long: some end after a number of requests, however busy the machine is. */
const timeout = 600_000;

/** Runs each scenario in its short form. */
export function testScenarios(scenarios: readonly Scenario[]): void {
  describe.each(scenarios)('$name: $breaks', ({ run, knownLimit }) => {
    test('no response breaks a promise, and some gets are hits', { timeout }, async () => {
      const figures = await run(newRun('short'));
      expect(judgeLimit(figures, knownLimit, SLACK_MS), figures.problems.join('\n')).toEqual([]);
      expect(figures.hits).toBeGreaterThan(0);
    });
  });
}
