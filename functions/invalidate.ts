import { InvalidationIncompleteError } from '../lib/errors.ts';
import { jsonBody } from '../lib/http/body.ts';
import { endpoint } from '../lib/http/endpoint.ts';
import { readInvalidation } from '../lib/http/input.ts';
import { announce } from '../lib/observability/channels.ts';
import { store } from '../lib/service.ts';
import { compileGlob } from '../lib/store/glob.ts';

/** POST /api/v1/cache/invalidate: removes every entry of the tenant whose key matches; without a pattern, all. */
export const handler = endpoint(
  { operation: 'invalidate', body: jsonBody(), input: readInvalidation },
  async (call) => {
    const { tenant, input: pattern, deadline } = call;
    const { count, complete } = await store.invalidate(tenant, compileGlob(pattern), deadline);
    // Also of one that ran out of time: what it has removed is gone.
    announce(call, { type: 'invalidated', pattern, count });
    if (!complete) throw new InvalidationIncompleteError(count);
    return { status: 200, data: { pattern, status: 'invalidated', count }, facts: { count } };
  },
);
