import { jsonBody } from '../lib/http/body.ts';
import { readBody } from '../lib/http/input.ts';
import { releaseSchema } from '../lib/http/schemas.ts';
import { endpoint, startService } from '../lib/service.ts';

const { store } = await startService();

/** POST /api/v1/cache/lease/release: ends a lease whose producer failed, so that another caller gets it at once. */
export const handler = endpoint(
  'lease-release',
  { body: jsonBody(), input: readBody(releaseSchema) },
  async ({ tenant }, { key, lease }) => {
    await store.release(tenant, key, lease);
    return { status: 204 };
  },
);
