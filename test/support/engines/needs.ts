import { beforeAll, beforeEach, type TestContext } from 'vitest';
import { find, type Role } from './find.ts';

/**
 * Skips the tests of a file or of a `describe` block where a program is missing. The run prints the reason at its end, as it does
 * for every test that calls `skip` with one.
 */
export function needs(role: Role): void {
  let problem: string | undefined;
  beforeAll(async () => {
    problem = await find(role).then(
      () => undefined,
      (error: Error) => error.message,
    );
  });
  beforeEach(({ skip }: TestContext) => skip(problem !== undefined, problem));
}
