import { describe, expect, test } from 'vitest';
import { judgeLimit } from './report.ts';
import { newRun, type Scenario } from './scenario.ts';

/**
 * Time that a busy machine may add to a response, in milliseconds. The load measures its own lag; this is for the service, whose process
 * shares the processors with those of other tests. It is short enough to detect a response that never comes. The long form allows none.
 */
const SLACK_MS = 10_000;

/** So long that only a hanging scenario reaches it: some end after a number of requests, which a busy machine delays. */
const timeout = 600_000;

/** Runs each scenario in its short form. */
export function testScenarios(scenarios: readonly Scenario[]): void {
  describe.each(scenarios)('$name: $breaks', ({ run, knownLimit }) => {
    test('every response is as promised, and some gets are hits', { timeout }, async () => {
      const figures = await run(newRun('short'));
      const problems = [...figures.problems, `log: ${figures.notes.log ?? 'empty'}`].join('\n');
      expect(judgeLimit(figures, knownLimit, SLACK_MS), problems).toEqual([]);
      expect(figures.hits).toBeGreaterThan(0);
    });
  });
}
