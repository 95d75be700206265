import { NotFoundError } from '../lib/errors.ts';
import { noInput } from '../lib/http/input.ts';
import { endpoint } from '../lib/service.ts';

/** Every request that no route takes. */
export const handler = endpoint('not-found', { input: noInput }, async () => {
  throw new NotFoundError();
});
