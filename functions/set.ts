import { endpoint } from '../lib/http/endpoint.ts';
import { readSet } from '../lib/http/input.ts';
import { store } from '../lib/service.ts';

/** POST /api/v1/cache: the value's text is stored as it came. */
export const handler = endpoint(
  { operation: 'set', body: { lift: 'value' }, input: readSet },
  async ({ tenant, input: { key, value, ttl } }) => {
    await store.set(tenant, key, value, ttl);
    return { status: 201, data: { key, status: 'set', ttl } };
  },
);
