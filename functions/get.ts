import { endpoint } from '../lib/http/endpoint.ts';
import { getData } from '../lib/http/get-data.ts';
import { readKey } from '../lib/http/key.ts';
import { store } from '../lib/service.ts';

/** GET /api/v1/cache/{key} and GET /api/v1/cache?key=…: a miss is an answer like a hit, never a 404. */
export const handler = endpoint({ operation: 'get', input: readKey }, async ({ tenant, input: key }) => {
  const hit = await store.get(tenant, key);
  return { status: 200, data: getData(key, hit), facts: { found: hit !== undefined, bytes: hit?.bytes } };
});
