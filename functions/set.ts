import { LeaseLostError } from '../lib/errors.ts';
import { jsonBody } from '../lib/http/body.ts';
import { readSet } from '../lib/http/input.ts';
import { config, endpoint, startService } from '../lib/service.ts';

const { store, events } = await startService();

/** POST /api/v1/cache: the value is stored as the text of the request. */
export const handler = endpoint(
  'set',
  { body: jsonBody({ rawPath: 'value' }), input: readSet(config) },
  async (request, { key, value, bytes, ttlSeconds, ...options }) => {
    if (!(await store.set(request.tenant, key, value, ttlSeconds, options))) throw new LeaseLostError();
    events.publish(request, { type: 'set', key });
    return {
      status: 201,
      data: { key, status: 'set', ttl: ttlSeconds },
      logFields: { bytes },
      counters: { sets: 1 },
    };
  },
);
