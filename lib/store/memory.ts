import { setImmediate } from 'node:timers/promises';
import { LRUCache } from 'lru-cache';
import type { Glob } from './glob.ts';
import type { CacheStore, Hit, Invalidation, Item, ServerState, Usage } from './store.ts';
import { firstWithin } from './take-within-bytes.ts';

export interface EmbeddedOptions {
  /** What all tenants' entries together may take, in bytes. */
  memoryMaxBytes: number;
  /** The time in epoch milliseconds; the system's unless given. */
  now?: () => number;
}

/** A tenant's entries by key. Clearing a tenant drops its partition; what comes next gets a new one. */
interface Partition {
  tenant: string;
  entries: Map<string, Entry>;
}

/** One entry, known to the LRU by identity. */
interface Entry {
  partition: Partition;
  key: string;
}

/**
 * What an entry takes beside its texts, in bytes: map slots, the LRU's arrays, the headers of its objects and of its buffer.
 * The growth of the process an entry, on Node 24: 780 bytes with a million entries of 20 bytes, 1,100 with 300,000.
 */
export const ENTRY_OVERHEAD_BYTES = 800;

/** How often expired entries that nobody asks for are removed, in milliseconds. Until then they count as memory in use. */
const PURGE_INTERVAL_MS = 60_000;

/** How many entries a walk over a tenant takes before other requests get their turn. */
const PAGE = 10_000;

/**
 * The store of a single process: bounded in bytes, the least recently used entries go first, whosesoever they are.
 *
 * Values are kept as buffers: outside of the JavaScript heap and its limit, exact in size, and holding on to nothing of the
 * request that they were cut from.
 */
export class EmbeddedStore implements CacheStore {
  readonly kind = 'memory';
  readonly #partitions = new Map<string, Partition>();
  readonly #lru: LRUCache<Entry, Buffer>;
  readonly #now: () => number;
  #purgedAt: number;
  #evicted = 0;

  constructor({ memoryMaxBytes, now = Date.now }: EmbeddedOptions) {
    this.#now = now;
    this.#purgedAt = now();
    this.#lru = new LRUCache<Entry, Buffer>({
      maxSize: memoryMaxBytes,
      sizeCalculation: (value, { key }) => value.length + 2 * key.length + ENTRY_OVERHEAD_BYTES,
      // Wall-clock time: a monotonic clock may stand still while a function is frozen.
      perf: { now },
      ttlResolution: 0,
      dispose: (_value, entry, reason) => {
        if (reason === 'evict') this.#evicted++;
        this.#forget(entry);
      },
    });
  }

  async get(tenant: string, key: string): Promise<Hit | undefined> {
    return this.#get(tenant, key);
  }

  async set(tenant: string, key: string, value: string, ttlSeconds: number): Promise<void> {
    this.#set(tenant, { key, value, ttlSeconds });
  }

  async delete(tenant: string, key: string): Promise<boolean> {
    return this.#delete(tenant, key);
  }

  async getMany(tenant: string, keys: readonly string[], maxBytes: number): Promise<(Hit | undefined)[]> {
    return firstWithin(maxBytes, keys, (key) => this.#get(tenant, key));
  }

  async setMany(tenant: string, items: readonly Item[]): Promise<void> {
    for (const item of items) this.#set(tenant, item);
  }

  async deleteMany(tenant: string, keys: readonly string[]): Promise<number> {
    return keys.filter((key) => this.#delete(tenant, key)).length;
  }

  async invalidate(tenant: string, pattern: Glob, deadline: number): Promise<Invalidation> {
    if (pattern.all) return { count: await this.clear(tenant), complete: true };
    if (pattern.literal !== undefined) {
      return { count: this.#delete(tenant, pattern.literal) ? 1 : 0, complete: true };
    }
    const partition = this.#partitions.get(tenant);
    let count = 0;
    let late = false;
    for await (const page of pages(partition)) {
      // Looked at after a page, so that every call gets further.
      if (late) return { count, complete: false };
      for (const { key } of page) {
        // By key, since a set during the walk replaces the entry.
        const entry = pattern.matches(Buffer.from(key)) ? partition?.entries.get(key) : undefined;
        if (entry && this.#remove(entry)) count++;
      }
      late = Date.now() >= deadline;
    }
    return { count, complete: true };
  }

  async clear(tenant: string): Promise<number> {
    const partition = this.#partitions.get(tenant);
    this.#partitions.delete(tenant);
    let count = 0;
    for await (const page of pages(partition)) {
      for (const entry of page) if (this.#remove(entry)) count++;
    }
    return count;
  }

  async usage(tenant: string): Promise<Usage> {
    const usage: Usage = { entries: 0, bytes: 0, sampled: 0, missing: 0 };
    for await (const page of pages(this.#partitions.get(tenant))) {
      for (const entry of page) {
        const value = this.#lru.peek(entry);
        if (!value) continue;
        usage.entries++;
        usage.bytes += value.length;
      }
    }
    usage.sampled = usage.entries;
    return usage;
  }

  async servers(): Promise<ServerState[]> {
    const { calculatedSize: usedBytes, maxSize: limitBytes } = this.#lru;
    return [
      { usedBytes, limitBytes, fragmentation: undefined, evicted: this.#evicted, connections: undefined },
    ];
  }

  async ping(): Promise<void> {}

  async close(): Promise<void> {
    this.#lru.clear();
  }

  #get(tenant: string, key: string): Hit | undefined {
    const entry = this.#partitions.get(tenant)?.entries.get(key);
    const value = entry && this.#lru.get(entry);
    if (!value) return undefined;
    return {
      value: value.toString(),
      bytes: value.length,
      ttl: Math.max(1, Math.ceil(this.#lru.getRemainingTTL(entry) / 1000)),
    };
  }

  #set(tenant: string, { key, value, ttlSeconds }: Item): void {
    this.#purge();
    const partition = this.#partitions.get(tenant) ?? { tenant, entries: new Map() };
    const previous = partition.entries.get(key);
    const entry = { partition, key };
    partition.entries.set(key, entry);
    this.#partitions.set(tenant, partition);
    if (previous) this.#lru.delete(previous);
    // Not from Buffer's shared pool, of which a small value would keep a whole page alive.
    const stored = Buffer.allocUnsafeSlow(Buffer.byteLength(value));
    stored.write(value);
    this.#lru.set(entry, stored, { ttl: ttlSeconds * 1000 });
    // The LRU takes nothing that is larger than all it may hold.
    if (!this.#lru.has(entry)) this.#forget(entry);
  }

  #delete(tenant: string, key: string): boolean {
    const entry = this.#partitions.get(tenant)?.entries.get(key);
    return entry !== undefined && this.#remove(entry);
  }

  /** True when the entry was live. */
  #remove(entry: Entry): boolean {
    const live = this.#lru.has(entry);
    this.#lru.delete(entry);
    return live;
  }

  #forget(entry: Entry): void {
    const { tenant, entries } = entry.partition;
    // By now the key may be another entry's.
    if (entries.get(entry.key) === entry) entries.delete(entry.key);
    if (entries.size === 0 && this.#partitions.get(tenant) === entry.partition)
      this.#partitions.delete(tenant);
  }

  #purge(): void {
    const now = this.#now();
    if (now - this.#purgedAt < PURGE_INTERVAL_MS) return;
    this.#purgedAt = now;
    this.#lru.purgeStale();
  }
}

/** The entries that a partition holds now, page by page. */
async function* pages(partition: Partition | undefined): AsyncGenerator<Entry[]> {
  const entries = partition ? [...partition.entries.values()] : [];
  for (let at = 0; at < entries.length; at += PAGE) {
    if (at > 0) await setImmediate();
    yield entries.slice(at, at + PAGE);
  }
}
