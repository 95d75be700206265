import { jsonBody } from '../lib/http/body.ts';
import { endpoint } from '../lib/http/endpoint.ts';
import { readBatchSet } from '../lib/http/input.ts';
import { MAX_BATCH_REST_BYTES } from '../lib/http/schemas.ts';
import { announce } from '../lib/observability/channels.ts';
import { store } from '../lib/service.ts';

/** POST /api/v1/cache/batch/set: all items are checked before any is written. */
export const handler = endpoint(
  {
    operation: 'batch-set',
    body: jsonBody({ lift: 'items[].value', maxRestBytes: MAX_BATCH_REST_BYTES }),
    input: readBatchSet,
  },
  async (call) => {
    const { tenant, input: items } = call;
    await store.setMany(tenant, items);
    for (const key of new Set(items.map(({ key }) => key))) announce(call, { type: 'set', key });
    const answers = items.map(({ key, ttlSeconds }) => ({ key, status: 'set', ttl: ttlSeconds }));
    const bytes = items.reduce((sum, item) => sum + item.bytes, 0);
    return {
      status: 201,
      data: { items: answers },
      facts: { keys: items.length, bytes },
      counts: { sets: items.length },
    };
  },
);
