import { BaseSequencer, type TestSpecification } from 'vitest/node';

/**
 * The files that take longest, mostly by waiting. Started last, each would keep a run waiting for itself alone. Without the durations of
 * an earlier run, as in a fresh checkout, Vitest sorts files by their size, which says nothing about these.
 */
const SLOW = [
  'test/faults/scenarios.test.ts',
  'test/docs/docs.test.ts',
  'test/docs/accessibility.long.test.ts',
  'test/faults/connection-cluster.test.ts',
  'test/http/gateway-backend.test.ts',
  'test/bench/smoke.long.test.ts',
  'test/faults/connection.test.ts',
  'test/observability/otel/spans.test.ts',
];

/** Sorts the slow files first, and the others as Vitest does. */
export class SlowFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const place = ({ moduleId }: TestSpecification): number => {
      const found = SLOW.findIndex((name) => moduleId.endsWith(name));
      return found < 0 ? SLOW.length : found;
    };
    return (await super.sort(files)).sort((a, b) => place(a) - place(b));
  }
}
