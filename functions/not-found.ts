import { NotFoundError } from '../lib/errors.ts';
import { endpoint } from '../lib/http/endpoint.ts';

/** Whatever no route takes. */
export const handler = endpoint(
  { operation: 'not-found', tenant: false, input: () => undefined },
  async () => {
    throw new NotFoundError();
  },
);
