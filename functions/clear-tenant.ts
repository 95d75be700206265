import { readTenantInPath } from '../lib/http/input.ts';
import { endpoint, startService } from '../lib/service.ts';

const { store, events } = await startService();

/** DELETE /api/v1/cache/tenant/{tenant_id}: removes all entries of the caller's own tenant. */
export const handler = endpoint('clear-tenant', { input: readTenantInPath }, async (request) => {
  const count = await store.clear(request.tenant, request.deadlineEpochMs);
  events.publish(request, { type: 'cleared', count });
  return { status: 204, logFields: { count } };
});
