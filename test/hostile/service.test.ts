import { expect, test } from 'vitest';
import { withSeed } from './attack/seed.ts';
import { attackService } from './attack/service.ts';

/** What an answer may take on a machine that is busy with other things as well, in milliseconds. */
const SLOWEST_MS = 10_000;

/** A failure is followed by the search for the shortest series that fails in the same way. */
const TIMEOUT_MS = 300_000;

test.each(['embedded', 'server'] as const)(
  'a service under attack answers as the contract says, changes only what it should, and lives on (%s)',
  async (backend) => {
    const tally = await withSeed((seed) =>
      attackService({ backend, rounds: 2, series: 130, volleys: 12, seed }),
    );
    process.stderr.write(`${backend}: ${tally}\n`);
    expect(tally.requests).toBeGreaterThan(4_000);
    expect([...tally.answers.keys()]).not.toContain('500 INTERNAL_SERVER_ERROR');
    expect(tally.slowestMs).toBeLessThan(SLOWEST_MS);
  },
  TIMEOUT_MS,
);
