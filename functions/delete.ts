import { endpoint } from '../lib/http/endpoint.ts';
import { readKey } from '../lib/http/key.ts';
import { announce } from '../lib/observability/channels.ts';
import { store } from '../lib/service.ts';

/** DELETE /api/v1/cache/{key} and DELETE /api/v1/cache?key=…: gone afterwards, whether or not it was there. */
export const handler = endpoint({ operation: 'delete', input: readKey }, async (call) => {
  const { tenant, input: key } = call;
  await store.delete(tenant, key);
  announce(call, { type: 'deleted', key });
  return { status: 204, counts: { deletes: 1 } };
});
