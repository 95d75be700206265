import { InvalidationIncompleteError } from '../lib/errors.ts';
import { jsonBody } from '../lib/http/body.ts';
import { readInvalidation } from '../lib/http/input.ts';
import { endpoint, startService } from '../lib/service.ts';
import { compileGlob } from '../lib/store/glob.ts';

const { store, events } = await startService();

/**
 * POST /api/v1/cache/invalidate: removes every entry of the tenant that has one of the tags, or whose key matches; without both, all
 * entries.
 */
export const handler = endpoint(
  'invalidate',
  { body: jsonBody(), input: readInvalidation },
  async (request, what) => {
    const { tenant, deadlineEpochMs } = request;
    const { count, complete } =
      'tags' in what
        ? await store.invalidateTags(tenant, what.tags, deadlineEpochMs)
        : await store.invalidate(tenant, compileGlob(what.pattern), deadlineEpochMs);
    // Also when it ran out of time: the entries counted are removed.
    events.publish(request, { type: 'invalidated', ...what, count });
    if (!complete) throw new InvalidationIncompleteError(count);
    return { status: 200, data: { ...what, status: 'invalidated', count }, logFields: { count } };
  },
);
