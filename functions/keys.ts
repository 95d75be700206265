import { encodeCursor } from '../lib/http/cursor.ts';
import { readKeyFilter } from '../lib/http/input.ts';
import { endpoint, startService } from '../lib/service.ts';

const { store } = await startService();

/** GET /api/v1/cache/tenant/{tenant_id}/keys: a page of the tenant's keys, in the order of their bytes. */
export const handler = endpoint(
  'keys',
  { input: readKeyFilter },
  async ({ tenant, deadlineEpochMs }, filter) => {
    const { keys, next } = await store.listKeys(tenant, filter, deadlineEpochMs);
    const { pattern, tag } = filter;
    const cursor = next === undefined ? null : encodeCursor(next, { tenant, pattern: pattern.pattern, tag });
    const listed = keys.map(({ key, ttl, tags }) => ({ key, ttl, stale: ttl === 0, tags }));
    return { status: 200, data: { keys: listed, cursor } };
  },
);
