import { expect, test } from 'vitest';
import { LONG_RUN, numRuns } from '../support/long-run.ts';
import { withSeed } from './attack/seed.ts';
import { attackService } from './attack/service.ts';

/** A failure is followed by the search for the shortest series that fails in the same way. */
const TIMEOUT_MS = 300_000;

test.each(['embedded', 'server'] as const)(
  'a service (%s) answers hostile requests as the contract says, changes only what it should, and lives on',
  async (backend) => {
    const tally = await withSeed((seed) =>
      attackService({
        backend,
        rounds: LONG_RUN ? 2 : 1,
        series: numRuns(260),
        volleys: LONG_RUN ? 12 : 4,
        seed,
      }),
    );
    process.stderr.write(`${backend}: ${tally}\n`);
    expect(tally.requests).toBeGreaterThan(numRuns(4_000));
    expect([...tally.answers.keys()]).not.toContain('500 INTERNAL_SERVER_ERROR');
  },
  TIMEOUT_MS,
);
