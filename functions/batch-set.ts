import { jsonBody } from '../lib/http/body.ts';
import { readBatchSet } from '../lib/http/input.ts';
import { MAX_BATCH_REST_BYTES } from '../lib/http/schemas.ts';
import { config, endpoint, startService } from '../lib/service.ts';

const { store, events } = await startService();

/** POST /api/v1/cache/batch/set: all items are checked before any is written. Those whose leases have ended are not. */
export const handler = endpoint(
  'batch-set',
  {
    body: jsonBody({ rawPath: 'items[].value', maxRestBytes: MAX_BATCH_REST_BYTES }),
    input: readBatchSet(config),
  },
  async (request, items) => {
    const wasSet = await store.setMany(request.tenant, items);
    const set = items.filter((_, index) => wasSet[index]);
    for (const key of new Set(set.map((item) => item.key))) events.publish(request, { type: 'set', key });
    const results = items.map(({ key, ttlSeconds }, index) =>
      wasSet[index] ? { key, status: 'set', ttl: ttlSeconds } : { key, status: 'lease_lost' },
    );
    const lost = items.length - set.length;
    const bytes = items.reduce((sum, item) => sum + item.bytes, 0);
    return {
      status: 201,
      data: { items: results },
      logFields: { keys: items.length, bytes, ...(lost > 0 && { fills_rejected: lost }) },
      counters: { sets: set.length, fillsRejected: lost },
    };
  },
);
