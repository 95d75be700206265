import { endpoint } from '../lib/http/endpoint.ts';
import { requireOwnTenant } from '../lib/http/tenant.ts';
import { store } from '../lib/service.ts';

/** GET /api/v1/cache/tenant/{tenant_id}: what the caller's own tenant takes of the backend. */
export const handler = endpoint(
  { operation: 'usage', input: (event) => requireOwnTenant(event, event.pathParameters?.tenant_id) },
  async ({ tenant }) => {
    const { entries, bytes, sampled, missing } = await store.usage(tenant);
    const data = { tenant_id: tenant, entries, bytes: { estimated: bytes, sampled, missing } };
    return { status: 200, data: { ...data, backend: store.kind } };
  },
);
