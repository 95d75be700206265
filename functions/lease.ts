import { jsonBody } from '../lib/http/body.ts';
import { distinct, readBody } from '../lib/http/input.ts';
import { leaseCounts, leaseData } from '../lib/http/response.ts';
import { DEFAULT_LEASE_SECONDS, leaseSchema } from '../lib/http/schemas.ts';
import { endpoint, startService } from '../lib/service.ts';

const { store } = await startService();

/** POST /api/v1/cache/lease: a get that grants the caller the right to produce a missing or stale value, unless another has it. */
export const handler = endpoint(
  'lease',
  { body: jsonBody(), input: readBody(leaseSchema) },
  async ({ tenant }, { key, lease, tags }) => {
    const result = await store.lease(tenant, key, lease ?? DEFAULT_LEASE_SECONDS, distinct(tags));
    const { logFields, counters } = leaseCounts([result]);
    return {
      status: 200,
      data: leaseData(key, result),
      logFields: { found: result.hit !== undefined, ...logFields },
      counters,
    };
  },
);
