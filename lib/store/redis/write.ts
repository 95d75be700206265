import type { Item } from '../store.ts';
import { encodeEntry } from './entry.ts';
import type { Shard, ShardItems } from './keyspace.ts';

/** Entries of one shard, as the script takes them that writes them. */
export interface Write {
  shard: Shard;
  /** The entries' keys. */
  entries: (string | Buffer)[];
  /** Four arguments for each of them: its TTL in milliseconds, name, head and body. */
  args: (string | Buffer | number)[];
  /** How many bytes compression made the values smaller. */
  savedBytes: number;
}

/** Encodes items of one shard; see `encodeEntry` for `compressMinBytes`. */
export function encodeWrite({ shard, items }: ShardItems<Item>, compressMinBytes: number): Write {
  const write: Write = { shard, entries: [], args: [], savedBytes: 0 };
  for (const { key, value, ttlSeconds } of items) {
    const { head, body, savedBytes } = encodeEntry(value, ttlSeconds, compressMinBytes);
    write.entries.push(shard.entry(key));
    write.args.push(ttlSeconds * 1000, key, head, body);
    write.savedBytes += savedBytes;
  }
  return write;
}
