import { jsonBody } from '../lib/http/body.ts';
import { readBatchSet } from '../lib/http/input.ts';
import { MAX_BATCH_REST_BYTES } from '../lib/http/schemas.ts';
import { config, endpoint, startService } from '../lib/service.ts';

const { store, events } = await startService();

/** POST /api/v1/cache/batch/set: all items are checked before any is written. */
export const handler = endpoint(
  'batch-set',
  {
    body: jsonBody({ rawPath: 'items[].value', maxRestBytes: MAX_BATCH_REST_BYTES }),
    input: readBatchSet(config),
  },
  async (request, items) => {
    await store.setMany(request.tenant, items);
    for (const key of new Set(items.map((item) => item.key))) events.publish(request, { type: 'set', key });
    const results = items.map(({ key, ttlSeconds }) => ({ key, status: 'set', ttl: ttlSeconds }));
    const bytes = items.reduce((sum, item) => sum + item.bytes, 0);
    return {
      status: 201,
      data: { items: results },
      logFields: { keys: items.length, bytes },
      counters: { sets: items.length },
    };
  },
);
