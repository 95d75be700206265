import { jsonBody } from '../lib/http/body.ts';
import { endpoint } from '../lib/http/endpoint.ts';
import { readSet } from '../lib/http/input.ts';
import { announce } from '../lib/observability/channels.ts';
import { store } from '../lib/service.ts';

/** POST /api/v1/cache: the value's text is stored as it came. */
export const handler = endpoint(
  { operation: 'set', body: jsonBody({ lift: 'value' }), input: readSet },
  async (call) => {
    const { key, value, bytes, ttlSeconds } = call.input;
    await store.set(call.tenant, key, value, ttlSeconds);
    announce(call, { type: 'set', key });
    return {
      status: 201,
      data: { key, status: 'set', ttl: ttlSeconds },
      facts: { bytes },
      counts: { sets: 1 },
    };
  },
);
