import { readTenantInPath } from '../lib/http/input.ts';
import { endpoint, startService } from '../lib/service.ts';

const { store, limitsOf } = await startService();

/** GET /api/v1/cache/tenant/{tenant_id}: how many entries and bytes the caller's own tenant has in the backend, and its limits. */
export const handler = endpoint('usage', { input: readTenantInPath }, async ({ tenant }) => {
  const { entries, bytes, sampled, missing } = await store.usage(tenant);
  const { maxEntries, maxBytes, rate } = limitsOf(tenant);
  const limits = {
    entries: maxEntries ?? null,
    bytes: maxBytes ?? null,
    requests_per_second: rate?.perSecond ?? null,
    burst: rate?.burst ?? null,
  };
  const data = { tenant_id: tenant, entries, bytes: { estimated: bytes, sampled, missing }, limits };
  return { status: 200, data: { ...data, backend: store.kind } };
});
