import { MethodNotAllowedError, NotFoundError } from '../lib/errors.ts';
import { noInput } from '../lib/http/input.ts';
import { allowedMethods } from '../lib/routes.ts';
import { endpoint } from '../lib/service.ts';

/** Requests without a route: 405 if the path accepts other methods, else 404. */
export const handler = endpoint('not-found', { input: noInput }, async ({ event }) => {
  const allowed = allowedMethods(String(event.rawPath));
  throw allowed.length > 0 ? new MethodNotAllowedError(allowed) : new NotFoundError();
});
