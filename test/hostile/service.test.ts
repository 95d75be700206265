import { expect, test } from 'vitest';
import { LONG_RUN, numRuns } from '../support/long-run.ts';
import { withSeed } from './attack/seed.ts';
import { attackService } from './attack/service.ts';

/** Includes the time to shrink a failing series. */
const TIMEOUT_MS = 300_000;

test.each(['embedded', 'server'] as const)(
  'a service (%s) under hostile requests responds as the contract says, changes only the expected entries and keeps running',
  async (backend) => {
    const tally = await withSeed((seed) =>
      attackService({
        backend,
        rounds: LONG_RUN ? 2 : 1,
        series: numRuns(260),
        volleys: LONG_RUN ? 12 : 2,
        seed,
      }),
    );
    process.stderr.write(`${backend}: ${tally}\n`);
    expect(tally.requests).toBeGreaterThan(numRuns(4_000));
    expect([...tally.responses.keys()]).not.toContain('500 INTERNAL_SERVER_ERROR');
  },
  TIMEOUT_MS,
);
