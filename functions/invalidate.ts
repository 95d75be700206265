import { compileGlob } from '../lib/cache/glob.ts';
import { InvalidationIncompleteError } from '../lib/errors.ts';
import { endpoint } from '../lib/http/endpoint.ts';
import { readInvalidation } from '../lib/http/input.ts';
import { store } from '../lib/service.ts';

/** POST /api/v1/cache/invalidate: removes every entry of the tenant whose key matches; without a pattern, all. */
export const handler = endpoint(
  { operation: 'invalidate', body: {}, input: readInvalidation },
  async ({ tenant, input: pattern, deadline }) => {
    const { count, complete } = await store.invalidate(tenant, compileGlob(pattern), deadline);
    if (!complete) throw new InvalidationIncompleteError(count);
    return { status: 200, data: { pattern, status: 'invalidated', count }, facts: { count } };
  },
);
