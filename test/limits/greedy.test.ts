import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readConfig } from '../../lib/config/config.ts';
import { createLog } from '../../lib/log/log.ts';
import { openStore } from '../../lib/store/open.ts';
import { type CacheStore, noObserver, type StorageLimitsOf } from '../../lib/store/store.ts';
import { newTenant } from '../conformance/backends.ts';
import { type Server, startServer } from '../support/engines/server.ts';
import { PATIENT } from '../support/patience.ts';

const MiB = 1024 ** 2;
const MEMORY = 10 * MiB;
/** Ten tenants with 100 kB each. */
const MODEST = 10;
const KEYS = Array.from({ length: 100 }, (_, i) => `k:${i}`);
const VALUE = JSON.stringify(randomBytes(700).toString('base64'));
/** The greedy tenant writes ten times the memory. */
const GREEDY_VALUE = JSON.stringify(randomBytes(6000).toString('base64'));
const BATCH = 100;
/** Between two reads of a key, it writes three times the memory. */
const BATCHES_PER_ROUND = Math.ceil((3 * MEMORY) / 10 / BATCH / GREEDY_VALUE.length);
const ROUNDS = Math.ceil((10 * MEMORY) / BATCHES_PER_ROUND / BATCH / GREEDY_VALUE.length);

/** Modest tenants read a tenth of their keys in turn, and set those that are missing; meanwhile the greedy one writes. */
async function hitRateBeside(store: CacheStore, isGreedy: boolean): Promise<number> {
  const greedy = newTenant();
  const modest = Array.from({ length: MODEST }, newTenant);
  const set = (tenant: string, keys: string[]) =>
    store.setMany(
      tenant,
      keys.map((key) => ({ key, value: VALUE, ttlSeconds: 1000 })),
    );
  for (const tenant of modest) await set(tenant, KEYS);
  let [hits, reads] = [0, 0];
  for (let round = 0; round < ROUNDS; round++) {
    for (let batch = 0; isGreedy && batch < BATCHES_PER_ROUND; batch++) {
      const items = Array.from({ length: BATCH }, (_, i) => ({
        key: `${round}:${batch}:${i}`,
        value: GREEDY_VALUE,
        // Longer than that of the others, which an eviction by expiry over all tenants would remove first.
        ttlSeconds: 10_000,
      }));
      await store.setMany(greedy, items);
    }
    const keys = KEYS.filter((_, index) => index % 10 === round % 10);
    await Promise.all(
      modest.map(async (tenant) => {
        const found = await store.getMany(tenant, keys, Number.POSITIVE_INFINITY);
        const missing = keys.filter((_, index) => !found[index]);
        reads += keys.length;
        hits += keys.length - missing.length;
        if (missing.length > 0) await set(tenant, missing);
      }),
    );
  }
  for (const tenant of [greedy, ...modest]) await store.clear(tenant, Date.now() + 25_000);
  return hits / reads;
}

const config = { ...readConfig({ ...PATIENT, LOG_LEVEL: 'ERROR' }), compressMinBytes: 0 };
const limited: StorageLimitsOf = () => ({ maxEntries: undefined, maxBytes: 4 * MiB });

describe.each(['embedded', 'server'])(
  'a tenant that writes ten times the memory beside ten modest ones, %s',
  (kind) => {
    let server: Server | undefined;
    beforeAll(async () => {
      if (kind === 'server') {
        server = await startServer({
          args: ['--maxmemory', String(MEMORY), '--maxmemory-policy', 'allkeys-lru'],
        });
      }
    });
    afterAll(() => server?.stop());
    const open = (limitsOf?: StorageLimitsOf) => {
      const env = server ? { DRAGONFLY_URL: server.url } : {};
      const { backend } = readConfig(env);
      return openStore(
        { ...config, backend, memoryMaxBytes: MEMORY },
        createLog(config),
        noObserver,
        limitsOf,
      );
    };

    test('leaves them 95 % of their hits if tenants have a limit of bytes, and takes most without', {
      timeout: 180_000,
    }, async () => {
      const store = await open(limited);
      const unlimited = await open();
      try {
        const alone = await hitRateBeside(store, false);
        const beside = await hitRateBeside(store, true);
        const without = await hitRateBeside(unlimited, true);
        console.error(
          `Hit rate of modest tenants, ${kind}: ${alone.toFixed(2)} alone, ${beside.toFixed(2)} with limits, ${without.toFixed(2)} without`,
        );
        expect(beside).toBeGreaterThanOrEqual(0.95 * alone);
        expect(without).toBeLessThan(beside);
      } finally {
        await store.close();
        await unlimited.close();
      }
    });
  },
);
