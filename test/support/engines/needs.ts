import { beforeAll, beforeEach, type TestContext } from 'vitest';
import { find, type Role } from './find.ts';

/**
 * Skips the tests of the calling file or `describe` block if a program is missing. `skipped.ts` prints the reason at the end of
 * the run.
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
