import { countFitting } from '../lib/http/batch-size.ts';
import { encodeCursor } from '../lib/http/cursor.ts';
import { readKeyFilter } from '../lib/http/input.ts';
import { MAX_BATCH_BYTES } from '../lib/http/schemas.ts';
import { JsonText } from '../lib/json/raw.ts';
import { endpoint, startService } from '../lib/service.ts';

const { store } = await startService();

/** GET /api/v1/cache/tenant/{tenant_id}/keys: a page of the tenant's keys, in the order of their bytes. */
export const handler = endpoint(
  'keys',
  { input: readKeyFilter },
  async ({ tenant, deadlineEpochMs }, filter) => {
    const page = await store.listKeys(tenant, filter, deadlineEpochMs);
    const texts = page.keys.map(({ key, ttl, tags }) => JSON.stringify({ key, ttl, stale: ttl === 0, tags }));
    // A thousand keys of the maximum length with the largest tags do not fit into a response.
    const sized = texts.map((value) => ({ value, bytes: Buffer.byteLength(value) }));
    const count = countFitting(sized, MAX_BATCH_BYTES);
    const next = count < texts.length ? page.keys[count - 1]?.key : page.next;
    const { pattern, tag } = filter;
    const cursor = next === undefined ? null : encodeCursor(next, { tenant, pattern: pattern.pattern, tag });
    const keys = new JsonText(`[${texts.slice(0, count)}]`);
    return { status: 200, data: { keys, cursor }, logFields: { keys: count } };
  },
);
