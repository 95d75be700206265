import { AUTO_SHARDS } from '../../lib/config/config.ts';
import { compileGlob } from '../../lib/store/glob.ts';
import { evaluate } from '../../lib/store/redis/connection/send.ts';
import { shardsOf } from '../../lib/store/redis/keyspace.ts';
import { clear } from '../../lib/store/redis/scripts/clear.ts';
import type { CacheStore } from '../../lib/store/store.ts';
import { type Backend, inBatches, TTL_SECONDS } from './backend.ts';
import { type Comparison, takeTurns } from './part.ts';
import { serverTime } from './server-cost.ts';
import { loadTenant, nameOf } from './tenant.ts';

/** A tenant, and the number of its entries. */
export interface Tenant {
  name: string;
  count: number;
}

const VALUE = JSON.stringify('x'.repeat(98));

/**
 * Compares the cost of each operation in a tenant with many entries with the cost in a tenant with few.
 *
 * @param operations number of operations per sample
 */
export async function inTenantSize(
  backend: Backend,
  few: number,
  many: number,
  operations: number,
  rounds: number,
): Promise<Comparison[]> {
  const { raw, store } = backend;
  const small: Tenant = { name: 'small', count: few };
  const large: Tenant = { name: 'large', count: many };
  for (const { name, count } of [small, large]) await loadTenant(backend, name, count);
  const each = async (operation: (index: number) => Promise<unknown>) =>
    (await serverTime(raw, () => inBatches(operations, operation))) / operations;
  const add = ({ name }: Tenant) =>
    inBatches(operations, (i) => store.set(name, `new:${i}`, VALUE, TTL_SECONDS));
  const remove = (tenant: Tenant) => invalidate(store, tenant, 'new:*', operations);
  const comparisons: Comparison[] = [];
  /** `turns` is 1 for clears, because a tenant can be cleared only once. */
  const compare = async (what: string, measure: (tenant: Tenant) => Promise<number>, turns = rounds) => {
    const row = { anchor: `tenant of ${inWords(small)}`, unit: 'µs' };
    const sides = [large, small].map((tenant) => () => measure(tenant));
    const [ours, theirs] = sides as [() => Promise<number>, () => Promise<number>];
    comparisons.push({
      what: `${what}, tenant of ${inWords(large)}`,
      ...row,
      ...(await takeTurns(turns, ours, theirs)),
    });
  };

  await compare('server time of a get', ({ name, count }) =>
    // A stride that is coprime to the count spreads the gets over all keys.
    each((i) => store.get(name, nameOf((i * 7919) % count))),
  );
  await compare('server time of a set', async (tenant) => {
    const microseconds = await serverTime(raw, () => add(tenant));
    await remove(tenant);
    return microseconds / operations;
  });
  await compare('server time of a delete', async (tenant) => {
    await add(tenant);
    return each((i) => store.delete(tenant.name, `new:${i}`));
  });
  await compare('server time of an invalidation, each match', async (tenant) => {
    await add(tenant);
    return (await serverTime(raw, () => remove(tenant))) / operations;
  });
  await compare('server time of an invalidation, each name looked at', async (tenant) => {
    const microseconds = await serverTime(raw, () => invalidate(store, tenant, '*none', 0));
    return microseconds / tenant.count;
  });
  await compare('time of an invalidation, each name looked at', async (tenant) => {
    const start = performance.now();
    await invalidate(store, tenant, '*none', 0);
    return ((performance.now() - start) * 1_000) / tenant.count;
  });
  await compare(
    'server time of a clear until reads miss, each shard',
    ({ name }) => forget(backend, name),
    1,
  );
  return comparisons;
}

/** Makes a tenant's entries unreadable as a clear does, without removing them. @returns the server's time per shard, in microseconds */
async function forget({ raw }: Backend, tenant: string): Promise<number> {
  const shards = shardsOf(tenant, AUTO_SHARDS);
  const microseconds = await serverTime(raw, async () => {
    for (const shard of shards) {
      const { generation, expiryIndex, nameIndex } = shard;
      await evaluate(raw, clear, [generation, expiryIndex, nameIndex, shard.trashKey('measured')], [60_000]);
    }
  });
  return microseconds / shards.length;
}

/** @throws Error unless exactly `expected` entries were removed, because then the measurement would be meaningless */
export async function invalidate(
  store: CacheStore,
  { name }: Tenant,
  pattern: string,
  expected: number,
): Promise<void> {
  const { count, complete } = await store.invalidate(name, compileGlob(pattern), Date.now() + 60_000);
  if (count !== expected || !complete)
    throw new Error(`${count} entries were removed instead of ${expected}`);
}

function inWords({ count }: Tenant): string {
  return count >= 1_000_000 ? `${count / 1_000_000} M` : count.toLocaleString('en-US');
}
