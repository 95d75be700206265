import { AUTO_SHARDS } from '../../lib/config/config.ts';
import { encodeEntry, GENERATION_BYTES } from '../../lib/store/redis/entry.ts';
import { byShard } from '../../lib/store/redis/keyspace.ts';
import { type Backend, inBatches, TTL_SECONDS } from './backend.ts';

/** Entries per pipeline. */
const PAGE = 1000;

const VALUE = JSON.stringify('x'.repeat(98));

export const nameOf = (index: number) => `item:${index}`;

const namesByShard = (tenant: string, count: number) =>
  byShard(
    tenant,
    Array.from({ length: count }, (_, i) => nameOf(i)),
    (name) => name,
    AUTO_SHARDS,
  );

/** Returns one entry's name for each shard that contains any of `count` entries. */
export function oneOfEachShard(tenant: string, count: number): string[] {
  return namesByShard(tenant, Math.min(count, 1_000)).map(({ items: [first] }) => first as string);
}

/**
 * Loads a tenant with `count` entries named by {@link nameOf}. The store itself writes one entry per shard, which creates the
 * indexes. The others are written in the same format with many entries per command.
 *
 * @throws Error if the store does not find the last entry
 */
export async function loadTenant({ store, raw }: Backend, tenant: string, count: number): Promise<void> {
  const { head, body } = encodeEntry({ value: VALUE, ttlSeconds: TTL_SECONDS }, 0);
  for (const { shard, items } of namesByShard(tenant, count)) {
    const [first = '', ...others] = items;
    await store.set(tenant, first, VALUE, TTL_SECONDS);
    if (others.length === 0) continue;
    const generation = await raw.getBuffer(shard.generation);
    if (generation?.length !== GENERATION_BYTES) throw new Error('The store has not written a generation');
    const expiry = String(Date.now() + TTL_SECONDS * 1000);
    const stored = `${generation}${head}${expiry}${body}`;
    for (let from = 0; from < others.length; from += PAGE) {
      const page = others.slice(from, from + PAGE);
      const pipeline = raw.pipeline();
      pipeline.zadd(shard.expiryIndex, ...page.flatMap((name) => [expiry, name]));
      pipeline.zadd(shard.nameIndex, ...page.flatMap((name) => ['0', name]));
      for (const name of page) pipeline.set(shard.entryKey(name), stored, 'EX', TTL_SECONDS);
      for (const [error] of (await pipeline.exec()) ?? []) if (error) throw error;
    }
    const last = others[others.length - 1] as string;
    if ((await store.get(tenant, last))?.value !== VALUE) throw new Error(`The store does not find ${last}`);
  }
}

/** Loads the same entries as bare keys with a prefix. */
export async function loadBare({ raw }: Backend, prefix: string, count: number): Promise<void> {
  await inBatches(count, (i) => raw.set(`${prefix}${nameOf(i)}`, VALUE, 'EX', TTL_SECONDS));
}
