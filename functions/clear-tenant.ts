import { endpoint } from '../lib/http/endpoint.ts';
import { requireOwnTenant } from '../lib/http/tenant.ts';
import { announce } from '../lib/observability/channels.ts';
import { store } from '../lib/service.ts';

/** DELETE /api/v1/cache/tenant/{tenant_id}: empties the caller's own tenant. */
export const handler = endpoint(
  { operation: 'clear-tenant', input: (event) => requireOwnTenant(event, event.pathParameters?.tenant_id) },
  async (call) => {
    const count = await store.clear(call.tenant, call.deadline);
    announce(call, { type: 'cleared', count });
    return { status: 204, facts: { count } };
  },
);
