import { readTenantInPath } from '../lib/http/input.ts';
import { endpoint, startService } from '../lib/service.ts';

const { store } = await startService();

/** GET /api/v1/cache/tenant/{tenant_id}: how many entries and bytes the caller's own tenant has in the backend. */
export const handler = endpoint('usage', { input: readTenantInPath }, async ({ tenant }) => {
  const { entries, bytes, sampled, missing } = await store.usage(tenant);
  const data = { tenant_id: tenant, entries, bytes: { estimated: bytes, sampled, missing } };
  return { status: 200, data: { ...data, backend: store.kind } };
});
