import { endpoint } from '../lib/http/endpoint.ts';
import { readKey } from '../lib/http/input.ts';
import { store } from '../lib/service.ts';

/** DELETE /api/v1/cache/{key} and DELETE /api/v1/cache?key=…: gone afterwards, whether or not it was there. */
export const handler = endpoint({ operation: 'delete', input: readKey }, async ({ tenant, input: key }) => {
  await store.delete(tenant, key);
  return { status: 204 };
});
