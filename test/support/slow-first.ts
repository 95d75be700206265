import { BaseSequencer, type TestSpecification } from 'vitest/node';

/**
 * The slowest test files, which mostly wait. If they started last, the run would wait for them alone. Without the durations of an
 * earlier run, as in a fresh checkout, Vitest sorts files by size, which does not predict these durations.
 */
const SLOW = [
  'test/docs/accessibility.long.test.ts',
  'test/bench/smoke.long.test.ts',
  'test/faults/connection-cluster.test.ts',
  'test/faults/scenarios.test.ts',
  'test/client/python.test.ts',
  'test/http/gateway-backend.test.ts',
  'test/faults/connection.test.ts',
  'test/logins/secret.test.ts',
  'test/bundles/sandbox.test.ts',
  'test/faults/cluster/confirmed.test.ts',
];

/** Runs the slow files first, and sorts the others as Vitest does. */
export class SlowFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const place = ({ moduleId }: TestSpecification): number => {
      const found = SLOW.findIndex((name) => moduleId.endsWith(name));
      return found < 0 ? SLOW.length : found;
    };
    return (await super.sort(files)).sort((a, b) => place(a) - place(b));
  }
}
