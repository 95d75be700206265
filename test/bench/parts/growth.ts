import { readConfig } from '../../../lib/config/config.ts';
import { createLog } from '../../../lib/log/log.ts';
import { openStore } from '../../../lib/store/open.ts';
import type { CacheStore } from '../../../lib/store/store.ts';
import { type Backend, inBatches, startBackend, TTL_SECONDS } from '../backend.ts';
import { type Comparison, type Part, takeTurns } from '../part.ts';
import { memoryOf, serverTime } from '../server-cost.ts';
import { nameOf } from '../tenant.ts';
import { inTenantSize, invalidate, type Tenant } from '../tenant-size.ts';
import { embeddingsJson } from '../values.ts';

const VALUE = JSON.stringify('x'.repeat(98));

/** The server's counts hardly vary, so more rounds would not improve the result. */
const MAX_ROUNDS = 3;

/** How the server's cost of each operation grows: a large case compared with the same operation in a small one. */
export const growth: Part = {
  name: 'growth',
  async run(options) {
    const { size, say } = options;
    const rounds = Math.min(options.rounds, MAX_ROUNDS);
    const [few, many] = size === 'tiny' ? [200, 2_000] : [1_000, 1_000_000];
    const operations = size === 'tiny' ? 200 : 2_000;
    const backend = await startBackend();
    try {
      await runEveryScript(backend.store);
      say('tenants of one entry');
      const comparisons = [await ofOneEntry(backend, size === 'tiny' ? 500 : 5_000)];
      say('values and shards');
      comparisons.push(...(await inValueSize(backend, size === 'tiny' ? 10 : 100, rounds)));
      comparisons.push(await inShards(backend, few, rounds));
      say(`tenants of ${few.toLocaleString('en-US')} and ${many.toLocaleString('en-US')} entries`);
      comparisons.push(...(await inTenantSize(backend, few, many, operations, rounds)));
      return comparisons;
    } finally {
      await backend.stop();
    }
  },
};

/** Runs every script once, so that loading the scripts is not measured. */
async function runEveryScript(store: CacheStore): Promise<void> {
  const tenant: Tenant = { name: 'first', count: 2 };
  for (const key of ['a', 'b', 'c']) await store.set(tenant.name, key, VALUE, TTL_SECONDS);
  await store.delete(tenant.name, 'c');
  await invalidate(store, tenant, 'b*', 1);
  await store.clear(tenant.name, Date.now() + 1_000);
}

/** Memory of a tenant with one entry. Empties the store. */
async function ofOneEntry({ raw, store }: Backend, tenants: number): Promise<Comparison> {
  const perTenant = async (load: (index: number) => Promise<unknown>) =>
    (await memoryOf(raw, () => inBatches(tenants, load))) / tenants;
  const ours = () => perTenant((i) => store.set(`tenant-${i}`, 'item', VALUE, TTL_SECONDS));
  const theirs = () => perTenant((i) => raw.set(`{plain:tenant-${i}:0}:e:item`, VALUE, 'EX', TTL_SECONDS));
  // Run once before the measurement: memory that the server allocates permanently, such as buffers, does not belong to a tenant.
  await ours();
  return {
    what: 'memory of a tenant with one entry of 100 B',
    anchor: 'bare SET of the same text, key as long',
    unit: 'bytes',
    ...(await takeTurns(1, ours, theirs)),
  };
}

async function inValueSize(
  { raw, store }: Backend,
  operations: number,
  rounds: number,
): Promise<Comparison[]> {
  const [small, large] = [embeddingsJson(1_000), embeddingsJson(700_000)];
  // Sequentially: each call takes this process milliseconds, so concurrent calls would delay each other.
  const set = async (value: string) => {
    for (let i = 0; i < operations; i++) await store.set('values', nameOf(i), value, TTL_SECONDS);
  };
  const get = async () => {
    for (let i = 0; i < operations; i++) await store.get('values', nameOf(i));
  };
  const setTime = (value: string) => async () => (await serverTime(raw, () => set(value))) / operations;
  const getTime = (value: string) => async () => {
    await set(value);
    return (await serverTime(raw, get)) / operations;
  };
  const row = { anchor: 'value of 1 kB', unit: 'µs' };
  const what = (operation: string) => `server time of a ${operation}, value of 700 kB of embeddings`;
  return [
    { what: what('set'), ...row, ...(await takeTurns(rounds, setTime(large), setTime(small))) },
    { what: what('get'), ...row, ...(await takeTurns(rounds, getTime(large), getTime(small))) },
  ];
}

async function inShards({ server, raw }: Backend, entries: number, rounds: number): Promise<Comparison> {
  const sides = await Promise.all(
    [64, 16].map(async (shards) => {
      const config = readConfig({
        DRAGONFLY_URL: server.url,
        LOG_LEVEL: 'ERROR',
        CACHE_SHARDS: String(shards),
      });
      const store = await openStore(config, createLog(config));
      const tenant: Tenant = { name: `over-${shards}`, count: entries };
      await inBatches(entries, (i) => store.set(tenant.name, nameOf(i), VALUE, TTL_SECONDS));
      const findNothing = () => serverTime(raw, () => invalidate(store, tenant, 'none*', 0));
      return { store, findNothing };
    }),
  );
  const [many, few] = sides as [(typeof sides)[number], (typeof sides)[number]];
  try {
    return {
      what: 'server time of an invalidation that finds nothing, 64 shards',
      anchor: '16 shards',
      unit: 'µs',
      ...(await takeTurns(rounds, many.findNothing, few.findNothing)),
    };
  } finally {
    for (const { store } of sides) await store.close();
  }
}
