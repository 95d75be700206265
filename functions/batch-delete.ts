import { jsonBody } from '../lib/http/body.ts';
import { readKeys } from '../lib/http/input.ts';
import { MAX_BATCH_REST_BYTES } from '../lib/http/schemas.ts';
import { endpoint, startService } from '../lib/service.ts';

const { store, events } = await startService();

/** POST /api/v1/cache/batch/delete: the entries are gone afterwards; the count is of those that were live. */
export const handler = endpoint(
  'batch-delete',
  { body: jsonBody({ maxRestBytes: MAX_BATCH_REST_BYTES }), input: readKeys },
  async (request, keys) => {
    const count = await store.deleteMany(request.tenant, keys);
    for (const key of new Set(keys)) events.publish(request, { type: 'deleted', key });
    return {
      status: 200,
      data: { count },
      logFields: { keys: keys.length, count },
      counters: { deletes: keys.length },
    };
  },
);
