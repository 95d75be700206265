import { requireFitting } from '../lib/http/batch-size.ts';
import { jsonBody } from '../lib/http/body.ts';
import { distinct, readBody } from '../lib/http/input.ts';
import { entryData, leaseCounts, leaseData } from '../lib/http/response.ts';
import { batchGetSchema, MAX_BATCH_REST_BYTES, maxBatchBytesOf } from '../lib/http/schemas.ts';
import { config, endpoint, startService } from '../lib/service.ts';
import type { Hit } from '../lib/store/store.ts';

const { store } = await startService();
const maxBatchBytes = maxBatchBytesOf(config);

/** POST /api/v1/cache/batch/get: the result of a get, or of a lease request, for each key, in the order of the request. */
export const handler = endpoint(
  'batch-get',
  { body: jsonBody({ maxRestBytes: MAX_BATCH_REST_BYTES }), input: readBody(batchGetSchema) },
  async ({ tenant }, { keys, lease, tags }) => {
    const check = (hits: (Hit | undefined)[]) => requireFitting(hits, maxBatchBytes, keys.length);
    if (lease != null) {
      const results = await store.leaseMany(tenant, keys, lease, maxBatchBytes, {
        tags: distinct(tags),
        beforeGrant: check,
      });
      const items = results.map((result, index) => leaseData(keys[index] as string, result));
      const { logFields, counters } = leaseCounts(results);
      const { hits, misses } = counters;
      return { status: 200, data: { items }, logFields: { hits, misses, ...logFields }, counters };
    }
    const found = await store.getMany(tenant, keys, maxBatchBytes);
    check(found);
    const items = found.map((hit, index) => entryData(keys[index] as string, hit));
    const hits = found.filter((hit) => hit !== undefined);
    const bytes = hits.reduce((sum, hit) => sum + hit.bytes, 0);
    const counters = { hits: hits.length, misses: keys.length - hits.length };
    return { status: 200, data: { items }, logFields: { ...counters, bytes }, counters };
  },
);
