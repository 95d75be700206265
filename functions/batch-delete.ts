import { jsonBody } from '../lib/http/body.ts';
import { endpoint } from '../lib/http/endpoint.ts';
import { readKeys } from '../lib/http/input.ts';
import { MAX_BATCH_REST_BYTES } from '../lib/http/schemas.ts';
import { announce } from '../lib/observability/channels.ts';
import { store } from '../lib/service.ts';

/** POST /api/v1/cache/batch/delete: gone afterwards, and how many live entries that were. */
export const handler = endpoint(
  { operation: 'batch-delete', body: jsonBody({ maxRestBytes: MAX_BATCH_REST_BYTES }), input: readKeys },
  async (call) => {
    const { tenant, input: keys } = call;
    const count = await store.deleteMany(tenant, keys);
    for (const key of new Set(keys)) announce(call, { type: 'deleted', key });
    return {
      status: 200,
      data: { count },
      facts: { keys: keys.length, count },
      counts: { deletes: keys.length },
    };
  },
);
