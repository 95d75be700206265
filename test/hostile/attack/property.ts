import fc from 'fast-check';

/** How long the shortest series that fails is looked for, in milliseconds: a failure that can be read is worth a while. */
const SHRINKING_MS = 20_000;

/**
 * Holds a property against generated series of something, up to fifty at a time.
 *
 * @throws Error of fast-check, with the shortest series that was found to fail
 */
export async function assertSeries<T>(
  one: fc.Arbitrary<T>,
  property: (series: T[]) => Promise<void>,
  parameters: { numRuns: number; seed: number },
): Promise<void> {
  let failedAt: number | undefined;
  const series = fc.array(one, { minLength: 1, maxLength: 50, size: 'max' });
  const timed = fc.asyncProperty(series, async (given) => {
    // What is not looked at any more counts neither as good nor as bad.
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
