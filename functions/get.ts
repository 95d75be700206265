import { endpoint } from '../lib/http/endpoint.ts';
import { readKey } from '../lib/http/input.ts';
import { JsonText } from '../lib/http/json.ts';
import { store } from '../lib/service.ts';

/** GET /api/v1/cache/{key} and GET /api/v1/cache?key=…: a miss is an answer like a hit, never a 404. */
export const handler = endpoint({ operation: 'get', input: readKey }, async ({ tenant, input: key }) => {
  const hit = await store.get(tenant, key);
  const data = hit
    ? { key, value: new JsonText(hit.value), found: true, ttl: hit.ttl }
    : { key, found: false };
  return { status: 200, data, facts: { found: hit !== undefined } };
});
