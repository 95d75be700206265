import { readKey } from '../lib/http/request.ts';
import { endpoint, startService } from '../lib/service.ts';

const { store, events } = await startService();

/** DELETE /api/v1/cache/{key} and DELETE /api/v1/cache?key=…: responds alike whether or not the entry existed. */
export const handler = endpoint('delete', { input: readKey }, async (request, key) => {
  await store.delete(request.tenant, key);
  events.publish(request, { type: 'deleted', key });
  return { status: 204, counters: { deletes: 1 } };
});
