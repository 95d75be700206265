import { MethodNotAllowedError, NotFoundError } from '../lib/errors.ts';
import { noInput } from '../lib/http/input.ts';
import { allowedMethods } from '../lib/routes.ts';
import { endpoint } from '../lib/service.ts';

/** Every request that no route takes: 405 for a path that has other methods, 404 for every other path. */
export const handler = endpoint('not-found', { input: noInput }, async ({ event }) => {
  const allowed = allowedMethods(String(event.rawPath));
  throw allowed.length > 0 ? new MethodNotAllowedError(allowed) : new NotFoundError();
});
