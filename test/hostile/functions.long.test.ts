import { expect, test } from 'vitest';
import { attackFunctions } from './attack/events.ts';
import { withSeed } from './attack/seed.ts';

const TIMEOUT_MS = 300_000;

test.each([
  ['a header', false],
  ["a token's claim", true],
])(
  'functions that read the tenant from %s respond to hostile events as the contract says',
  async (_, claims) => {
    const tally = await withSeed((seed) => attackFunctions({ claims, series: 40, seed }));
    process.stderr.write(`${claims ? 'claims' : 'headers'}: ${tally}\n`);
    expect(tally.requests).toBeGreaterThan(1_000);
  },
  TIMEOUT_MS,
);
