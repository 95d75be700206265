import fc from 'fast-check';

/** Time to shrink a failing series, in milliseconds. A short counterexample is worth the wait. */
const SHRINKING_MS = 20_000;

/**
 * Checks a property on generated series of up to fifty elements.
 *
 * @throws Error from fast-check with the shortest failing series that it found
 */
export async function assertSeries<T>(
  one: fc.Arbitrary<T>,
  property: (series: T[]) => Promise<void>,
  parameters: { numRuns: number; seed: number },
): Promise<void> {
  let failedAt: number | undefined;
  const series = fc.array(one, { minLength: 1, maxLength: 50, size: 'max' });
  const timed = fc.asyncProperty(series, async (given) => {
    // Once the time is over, skip the remaining candidates: a skipped run counts neither as passed nor as failed.
    fc.pre(failedAt === undefined || performance.now() - failedAt < SHRINKING_MS);
    try {
      await property(given);
    } catch (error) {
      failedAt ??= performance.now();
      throw error;
    }
  });
  await fc.assert(timed, parameters);
}
