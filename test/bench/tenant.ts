import { encodeEntry, GENERATION_BYTES } from '../../lib/store/redis/entry.ts';
import { byShard } from '../../lib/store/redis/keyspace.ts';
import { type Backend, inBatches, TTL_SECONDS } from './backend.ts';

/** The shards that the store has unless it is told otherwise. */
const SHARDS = 16;

/** Entries a pipeline. */
const PAGE = 1000;

const VALUE = JSON.stringify('x'.repeat(98));

export const nameOf = (index: number) => `item:${index}`;

const namesByShard = (tenant: string, count: number) =>
  byShard(
    tenant,
    Array.from({ length: count }, (_, i) => nameOf(i)),
    (name) => name,
    SHARDS,
  );

/** Of `count` entries one name in every shard that has any. */
export function oneOfEachShard(tenant: string, count: number): string[] {
  return namesByShard(tenant, Math.min(count, 1_000)).map(({ items: [first] }) => first as string);
}

/**
 * Loads a tenant with `count` entries named by {@link nameOf}: one a shard by the store itself, which makes the indexes, and
 * the others as the store writes them but with many of them in one command.
 *
 * @throws Error unless the store finds them
 */
export async function loadTenant({ store, raw }: Backend, tenant: string, count: number): Promise<void> {
  const { head, body } = encodeEntry({ value: VALUE, ttlSeconds: TTL_SECONDS }, 0);
  for (const { shard, items } of namesByShard(tenant, count)) {
    const [first = '', ...others] = items;
    await store.set(tenant, first, VALUE, TTL_SECONDS);
    if (others.length === 0) continue;
    const generation = await raw.getBuffer(shard.generation);
    if (generation?.length !== GENERATION_BYTES) throw new Error('The store has written no generation');
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

/** The same entries as bare keys that begin with `<prefix>`. */
export async function loadBare({ raw }: Backend, prefix: string, count: number): Promise<void> {
  await inBatches(count, (i) => raw.set(`${prefix}${nameOf(i)}`, VALUE, 'EX', TTL_SECONDS));
}
