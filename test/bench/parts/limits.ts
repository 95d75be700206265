import { createRequestContext } from '../../../lib/http/request.ts';
import { RateLimiter } from '../../../lib/limits/rate-limiter.ts';
import type { CacheStore, StorageLimits } from '../../../lib/store/store.ts';
import { startBackend, TTL_SECONDS, timed } from '../backend.ts';
import { type BenchOptions, type Comparison, type Part, takeTurns } from '../part.ts';
import { serverTime } from '../server-cost.ts';
import { recordsJson } from '../values.ts';

const TENANT = 'measured';
const VALUE = recordsJson(1000);
const MIB = 1024 ** 2;
const BELOW: StorageLimits = { maxEntries: 1_000_000, maxBytes: 4096 * MIB };

/** What the limits of a tenant cost: a set below and above them, and a get that is counted. */
export const limits: Part = {
  name: 'limits',
  async run({ size, rounds }: BenchOptions): Promise<Comparison[]> {
    const count = size === 'tiny' ? 400 : 3_000;
    const backend = await startBackend();
    const { raw } = backend;
    try {
      const above: StorageLimits = { maxEntries: count / 2, maxBytes: (count / 2) * VALUE.length };
      const unlimited = backend.store;
      const [below, byEntries, byBytes] = await Promise.all([
        backend.openStore(() => BELOW),
        backend.openStore(() => ({ ...above, maxBytes: undefined })),
        backend.openStore(() => ({ ...above, maxEntries: undefined })),
      ]);
      let next = 0;
      const sets = async (store: CacheStore) => {
        for (let i = 0; i < count; i++) await store.set(TENANT, `item:${next++}`, VALUE, TTL_SECONDS);
      };
      const cost = async (store: CacheStore) => {
        await raw.flushall();
        // So that the measured sets are above the limit, if there is one.
        await sets(store);
        return (await serverTime(raw, () => sets(store))) / count;
      };
      const time = async (store: CacheStore) => {
        await raw.flushall();
        await sets(store);
        const ms = await timed(count, async () => {
          await sets(store);
          return count;
        });
        return (1000 * ms) / count;
      };
      const comparisons: Comparison[] = [];
      for (const [what, store] of [
        ['below its limits', below],
        ['above its limit of entries', byEntries],
        ['above its limit of bytes', byBytes],
      ] as const) {
        const anchor = 'without limits';
        const costs = await takeTurns(
          rounds,
          () => cost(store),
          () => cost(unlimited),
        );
        comparisons.push({ what: `server time of a set ${what}`, anchor, unit: 'µs', ...costs });
        const times = await takeTurns(
          rounds,
          () => time(store),
          () => time(unlimited),
        );
        comparisons.push({ what: `a set ${what}`, anchor, unit: 'µs', ...times });
      }
      comparisons.push(await countedGet(unlimited, rounds, count));
      return comparisons;
    } finally {
      await backend.stop();
    }
  },
};

async function countedGet(store: CacheStore, rounds: number, count: number): Promise<Comparison> {
  const rate = { perSecond: 1_000_000, burst: 1_000_000 };
  const limiter = new RateLimiter({
    store,
    rateOf: () => rate,
    sweepWeight: 10,
    log: { error: console.error },
  });
  await store.set(TENANT, 'read', VALUE, TTL_SECONDS);
  const gets = (read: () => Promise<unknown>) =>
    timed(count, async () => {
      for (let i = 0; i < count; i++) await read();
      return count;
    }).then((ms) => (1000 * ms) / count);
  const samples = await takeTurns(
    rounds,
    () =>
      gets(() => {
        const request = { ...createRequestContext('get', {}, undefined, 900), tenant: TENANT };
        return limiter.run(request, () => store.get(TENANT, 'read'));
      }),
    () => gets(() => store.get(TENANT, 'read')),
  );
  return { what: 'a get that is counted', anchor: 'without a limit', unit: 'µs', ...samples };
}
