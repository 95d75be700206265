import { maxBatchBytes, requireFitting } from '../lib/http/batch-size.ts';
import { jsonBody } from '../lib/http/body.ts';
import { endpoint } from '../lib/http/endpoint.ts';
import { getData } from '../lib/http/get-data.ts';
import { readKeys } from '../lib/http/input.ts';
import { MAX_BATCH_REST_BYTES } from '../lib/http/schemas.ts';
import { store } from '../lib/service.ts';

/** POST /api/v1/cache/batch/get: for each key, in the order asked, what a get would answer. */
export const handler = endpoint(
  { operation: 'batch-get', body: jsonBody({ maxRestBytes: MAX_BATCH_REST_BYTES }), input: readKeys },
  async ({ tenant, input: keys }) => {
    const found = await store.getMany(tenant, keys, maxBatchBytes);
    requireFitting(found, keys.length);
    const items = found.map((hit, index) => getData(keys[index] as string, hit));
    const hits = found.filter((hit) => hit !== undefined);
    const bytes = hits.reduce((sum, hit) => sum + hit.bytes, 0);
    const facts = { hits: hits.length, misses: keys.length - hits.length, bytes };
    return { status: 200, data: { items }, facts };
  },
);
