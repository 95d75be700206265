import { requireFitting } from '../lib/http/batch-size.ts';
import { jsonBody } from '../lib/http/body.ts';
import { readBody } from '../lib/http/input.ts';
import { entryData } from '../lib/http/response.ts';
import { batchKeysSchema, MAX_BATCH_REST_BYTES, maxBatchBytesOf } from '../lib/http/schemas.ts';
import { config, endpoint, startService } from '../lib/service.ts';

const { store } = await startService();
const maxBatchBytes = maxBatchBytesOf(config);

/** POST /api/v1/cache/batch/get: the result of a get for each key, in the order of the request. */
export const handler = endpoint(
  'batch-get',
  { body: jsonBody({ maxRestBytes: MAX_BATCH_REST_BYTES }), input: readBody(batchKeysSchema) },
  async ({ tenant }, { keys }) => {
    const found = await store.getMany(tenant, keys, maxBatchBytes);
    requireFitting(found, maxBatchBytes, keys.length);
    const items = found.map((hit, index) => entryData(keys[index] as string, hit));
    const hits = found.filter((hit) => hit !== undefined);
    const bytes = hits.reduce((sum, hit) => sum + hit.bytes, 0);
    const counters = { hits: hits.length, misses: keys.length - hits.length };
    return { status: 200, data: { items }, logFields: { ...counters, bytes }, counters };
  },
);
