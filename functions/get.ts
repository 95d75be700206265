import { readKey } from '../lib/http/request.ts';
import { entryData } from '../lib/http/response.ts';
import { endpoint, startService } from '../lib/service.ts';

const { store } = await startService();

/** GET /api/v1/cache/{key} and GET /api/v1/cache?key=…: a miss is a 200 like a hit, never a 404. */
export const handler = endpoint('get', { input: readKey }, async ({ tenant }, key) => {
  const hit = await store.get(tenant, key);
  return {
    status: 200,
    data: entryData(key, hit),
    logFields: { found: hit !== undefined, bytes: hit?.bytes },
    counters: hit ? { hits: 1 } : { misses: 1 },
  };
});
