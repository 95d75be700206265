import { expect, test } from 'vitest';
import { LONG_RUN, numRuns } from '../support/long-run.ts';
import { attackFunctions } from './attack/events.ts';
import { withSeed } from './attack/seed.ts';

const TIMEOUT_MS = 300_000;

const TENANTS = [
  // First, because the local server does not read claims: the short run's other hostile requests have none.
  ["a token's claim", true],
  ['a header', false],
] as const;

test.each(LONG_RUN ? TENANTS : TENANTS.slice(0, 1))(
  'functions that read the tenant from %s respond to hostile events as the contract says',
  async (_, claims) => {
    const tally = await withSeed((seed) => attackFunctions({ claims, series: numRuns(40), seed }));
    process.stderr.write(`${claims ? 'claims' : 'headers'}: ${tally}\n`);
    expect(tally.requests).toBeGreaterThan(numRuns(1_000));
  },
  TIMEOUT_MS,
);
