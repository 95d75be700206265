/**
 * How a tenant's entries lie in the backend: in shards, each of whose keys carry one hash tag and so live in one slot.
 *
 * The tag holds the tenant's name, in which the schema of tenants allows no brace and no colon, and a key's name is always the
 * last part: so nothing that a caller writes can be read as anything else.
 */
export interface Shard {
  /** The string that holds the generation: what entries must begin with to count. */
  generation: string;
  /** The sorted set of key names by the time when they expire, in epoch milliseconds. */
  expiryIndex: string;
  /** The sorted set of key names, ordered by their bytes. */
  nameIndex: string;
  /** The key of an entry. */
  entry(name: string | Buffer): string | Buffer;
  /** Where a clear puts the expiry index, `id` being its own. */
  aside(id: string): string;
}

/** All shards of a tenant, in order. */
export function shardsOf(tenant: string, count: number): Shard[] {
  return Array.from({ length: count }, (_, index) => shard(tenant, index));
}

/** The shard that holds a key: the same on every node and at every time, as long as `count` stays the same. */
export function shardOf(tenant: string, key: string, count: number): Shard {
  return shard(tenant, crc16(key) % count);
}

function shard(tenant: string, index: number): Shard {
  const tag = `{cache:${tenant}:${index}}`;
  return {
    generation: `${tag}:gen`,
    expiryIndex: `${tag}:exp`,
    nameIndex: `${tag}:lex`,
    entry: (name) =>
      typeof name === 'string' ? `${tag}:e:${name}` : Buffer.concat([Buffer.from(`${tag}:e:`), name]),
    aside: (id) => `${tag}:old:${id}`,
  };
}

/** CRC-16/XMODEM of the key's UTF-8, the checksum that Redis Cluster takes for its slots. */
function crc16(key: string): number {
  let crc = 0;
  for (const byte of Buffer.from(key)) {
    crc ^= byte << 8;
    for (let bit = 0; bit < 8; bit++) crc = crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1;
  }
  return crc & 0xffff;
}
