/**
 * How a tenant's entries lie in the backend: in shards, each of whose keys carry one hash tag and so live in one slot.
 *
 * The tag holds the tenant's name, in which the schema of tenants allows no brace and no colon, and a key's name is always the
 * last part: so nothing that a caller writes can be read as anything else.
 */
export class Shard {
  /** The string that holds the generation: what entries must begin with to count. */
  readonly generation: string;
  readonly #tag: string;

  constructor(tenant: string, index: number) {
    this.#tag = `{cache:${tenant}:${index}}`;
    this.generation = `${this.#tag}:gen`;
  }

  /** The sorted set of key names by the time when they expire, in epoch milliseconds. */
  get expiryIndex(): string {
    return `${this.#tag}:exp`;
  }

  /** The sorted set of key names, ordered by their bytes. */
  get nameIndex(): string {
    return `${this.#tag}:lex`;
  }

  /** The generation and both indexes, as most scripts take them. */
  get helpers(): string[] {
    return [this.generation, this.expiryIndex, this.nameIndex];
  }

  /** The key of an entry. */
  entry(name: string | Buffer): string | Buffer {
    if (typeof name === 'string') return `${this.#tag}:e:${name}`;
    return Buffer.concat([Buffer.from(`${this.#tag}:e:`), name]);
  }

  /** The keys of entries, in the order of their names. */
  entries(names: readonly (string | Buffer)[]): (string | Buffer)[] {
    return names.map((name) => this.entry(name));
  }

  /** Where a clear puts the expiry index, `id` being its own. */
  aside(id: string): string {
    return `${this.#tag}:old:${id}`;
  }
}

/** All shards of a tenant, in order. */
export function shardsOf(tenant: string, count: number): Shard[] {
  return Array.from({ length: count }, (_, index) => new Shard(tenant, index));
}

/** Items of one shard, and where each stood among all of them. */
export interface ShardItems<Item> {
  shard: Shard;
  items: Item[];
  places: number[];
}

/**
 * Groups items by the shards that hold their keys, in their order. A key's shard is the same on every node and at every time, as long as
 * `count` stays the same.
 */
export function byShard<Item>(
  tenant: string,
  items: readonly Item[],
  keyOf: (item: Item) => string,
  count: number,
): ShardItems<Item>[] {
  const groups = new Map<number, ShardItems<Item>>();
  for (const [place, item] of items.entries()) {
    const index = crc16(keyOf(item)) % count;
    let group = groups.get(index);
    if (!group) {
      group = { shard: new Shard(tenant, index), items: [], places: [] };
      groups.set(index, group);
    }
    group.items.push(item);
    group.places.push(place);
  }
  return [...groups.values()];
}

/** CRC-16/XMODEM of the key's UTF-8, the checksum that Redis Cluster takes for its slots. */
function crc16(key: string): number {
  let crc = 0;
  for (const byte of Buffer.from(key)) crc = ((crc << 8) & 0xff00) ^ (CRC16[(crc >> 8) ^ byte] as number);
  return crc;
}

/** Of each byte, what it does to the checksum. */
const CRC16 = Uint16Array.from({ length: 256 }, (_, byte) => {
  let crc = byte << 8;
  for (let bit = 0; bit < 8; bit++) crc = crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1;
  return crc;
});
