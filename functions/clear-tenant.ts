import { endpoint } from '../lib/http/endpoint.ts';
import { requireOwnTenant } from '../lib/http/input.ts';
import { store } from '../lib/service.ts';

/** DELETE /api/v1/cache/tenant/{tenant_id}: empties the caller's own tenant. */
export const handler = endpoint(
  { operation: 'clear-tenant', input: (event) => requireOwnTenant(event, event.pathParameters?.tenant_id) },
  async ({ tenant, deadline }) => {
    await store.clear(tenant, deadline);
    return { status: 204 };
  },
);
