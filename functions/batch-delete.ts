import { jsonBody } from '../lib/http/body.ts';
import { readBody } from '../lib/http/input.ts';
import { batchKeysSchema, MAX_BATCH_REST_BYTES } from '../lib/http/schemas.ts';
import { endpoint, startService } from '../lib/service.ts';

const { store, events } = await startService();

/** POST /api/v1/cache/batch/delete: removes the entries and counts those that were live. */
export const handler = endpoint(
  'batch-delete',
  { body: jsonBody({ maxRestBytes: MAX_BATCH_REST_BYTES }), input: readBody(batchKeysSchema) },
  async (request, { keys }) => {
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
