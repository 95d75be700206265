import { setImmediate } from 'node:timers/promises';
import { LRUCache } from 'lru-cache';
import type { Glob } from './glob.ts';
import {
  type CacheStore,
  type Hit,
  type Invalidation,
  type Item,
  type ServerState,
  takeWithinBytes,
  type Usage,
} from './store.ts';

export interface MemoryStoreOptions {
  /** The memory for the entries of all tenants together. */
  memoryMaxBytes: number;
  /** The clock. Default: the system's. */
  nowEpochMs?: () => number;
}

/** A tenant's entries by key. A clear drops the partition, and the next set creates a new one. */
interface Partition {
  tenant: string;
  entries: Map<string, Entry>;
}

/** One entry, and its key in the LRU. */
interface Entry {
  partition: Partition;
  key: string;
}

/**
 * Memory of an entry beyond its key and value: map slots, the LRU's arrays, and the headers of objects and buffer. On Node 24, the
 * process grows by 780 bytes per entry with a million entries of 20 bytes, and by 1,100 bytes with 300,000.
 */
export const ENTRY_OVERHEAD_BYTES = 800;

/** How often expired entries are purged, in milliseconds. Those that are not read count as used memory until then. */
const PURGE_INTERVAL_MS = 60_000;

/** How many of a tenant's entries are processed before other requests are. */
const PAGE = 10_000;

/**
 * The store in the process's own memory: an LRU map of all tenants' entries, bounded in bytes.
 *
 * Values are buffers. They are outside of the JavaScript heap and its limit, their size is exact, and they do not keep the request body
 * alive that they were a part of.
 */
export class MemoryStore implements CacheStore {
  readonly kind = 'memory';
  readonly #partitions = new Map<string, Partition>();
  readonly #lru: LRUCache<Entry, Buffer>;
  readonly #nowEpochMs: () => number;
  #lastPurgeEpochMs: number;
  #evicted = 0;

  constructor({ memoryMaxBytes, nowEpochMs = Date.now }: MemoryStoreOptions) {
    this.#nowEpochMs = nowEpochMs;
    this.#lastPurgeEpochMs = nowEpochMs();
    this.#lru = new LRUCache<Entry, Buffer>({
      maxSize: memoryMaxBytes,
      sizeCalculation: (value, { key }) => value.length + 2 * key.length + ENTRY_OVERHEAD_BYTES,
      // Not a monotonic clock, which may stop while a function is frozen.
      perf: { now: nowEpochMs },
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

  async touch(tenant: string, key: string, ttlSeconds: number): Promise<boolean> {
    const entry = this.#partitions.get(tenant)?.entries.get(key);
    const value = entry && this.#lru.get(entry);
    if (!value) return false;
    this.#lru.set(entry, value, { ttl: ttlSeconds * 1000 });
    return true;
  }

  async delete(tenant: string, key: string): Promise<boolean> {
    return this.#delete(tenant, key);
  }

  async getMany(tenant: string, keys: readonly string[], maxBytes: number): Promise<(Hit | undefined)[]> {
    return takeWithinBytes(maxBytes, keys, (key) => this.#get(tenant, key));
  }

  async setMany(tenant: string, items: readonly Item[]): Promise<void> {
    for (const item of items) this.#set(tenant, item);
  }

  async deleteMany(tenant: string, keys: readonly string[]): Promise<number> {
    return keys.filter((key) => this.#delete(tenant, key)).length;
  }

  async invalidate(tenant: string, pattern: Glob, deadlineEpochMs: number): Promise<Invalidation> {
    if (pattern.all) return { count: await this.clear(tenant), complete: true };
    if (pattern.literal !== undefined) {
      return { count: this.#delete(tenant, pattern.literal) ? 1 : 0, complete: true };
    }
    const partition = this.#partitions.get(tenant);
    let count = 0;
    let isPastDeadline = false;
    for await (const page of pages(partition)) {
      // Checked after each page, so that every call processes at least one.
      if (isPastDeadline) return { count, complete: false };
      for (const { key } of page) {
        // Looked up by key: a set since the start may have replaced the entry.
        const entry = pattern.matches(Buffer.from(key)) ? partition?.entries.get(key) : undefined;
        if (entry && this.#remove(entry)) count++;
      }
      isPastDeadline = Date.now() >= deadlineEpochMs;
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
    // Not from Buffer's pool: a small value would keep a whole slab alive.
    const stored = Buffer.allocUnsafeSlow(Buffer.byteLength(value));
    stored.write(value);
    this.#lru.set(entry, stored, { ttl: ttlSeconds * 1000 });
    // The LRU rejects a value that is larger than its limit.
    if (!this.#lru.has(entry)) this.#forget(entry);
  }

  #delete(tenant: string, key: string): boolean {
    const entry = this.#partitions.get(tenant)?.entries.get(key);
    return entry !== undefined && this.#remove(entry);
  }

  /** @returns true if the entry was live */
  #remove(entry: Entry): boolean {
    const live = this.#lru.has(entry);
    this.#lru.delete(entry);
    return live;
  }

  #forget(entry: Entry): void {
    const { tenant, entries } = entry.partition;
    // Another entry may have the key by now.
    if (entries.get(entry.key) === entry) entries.delete(entry.key);
    if (entries.size === 0 && this.#partitions.get(tenant) === entry.partition)
      this.#partitions.delete(tenant);
  }

  #purge(): void {
    const nowEpochMs = this.#nowEpochMs();
    if (nowEpochMs - this.#lastPurgeEpochMs < PURGE_INTERVAL_MS) return;
    this.#lastPurgeEpochMs = nowEpochMs;
    this.#lru.purgeStale();
  }
}

/** The partition's entries at the time of the call, in pages. */
async function* pages(partition: Partition | undefined): AsyncGenerator<Entry[]> {
  const entries = partition ? [...partition.entries.values()] : [];
  for (let at = 0; at < entries.length; at += PAGE) {
    if (at > 0) await setImmediate();
    yield entries.slice(at, at + PAGE);
  }
}
