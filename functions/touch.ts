import { jsonBody } from '../lib/http/body.ts';
import { readBody } from '../lib/http/input.ts';
import { touchSchema } from '../lib/http/schemas.ts';
import { config, endpoint, startService } from '../lib/service.ts';

const { store, events } = await startService();

/** POST /api/v1/cache/touch: changes the TTL of a live entry without sending its value. A miss also returns 200. */
export const handler = endpoint(
  'touch',
  { body: jsonBody(), input: readBody(touchSchema(config)) },
  async (request, { key, ttl }) => {
    const found = await store.touch(request.tenant, key, ttl);
    // As for a set: subscribers drop their copies, which may have a longer TTL.
    if (found) events.publish(request, { type: 'set', key });
    return { status: 200, data: found ? { key, found, ttl } : { key, found }, logFields: { found } };
  },
);
