import { setImmediate } from 'node:timers/promises';
import { LRUCache } from 'lru-cache';
import type { HeldLease } from '../lease.ts';

/** A tenant's entries by key. A clear drops the partition, and the next set creates a new one. */
export interface Partition {
  tenant: string;
  entries: Map<string, Entry>;
  /** The entries of each tag. */
  tags: Map<string, Set<Entry>>;
  /** Entries that have a value, and the bytes of their values. */
  values: { count: number; bytes: number };
}

/** One entry, and its key in the LRU. */
export interface Entry {
  partition: Partition;
  key: string;
  /** When the value becomes stale. The LRU removes it when its grace has passed too. 0 for a placeholder, which has no value. */
  expiryEpochMs: number;
  graceMs: number;
  /** The bytes of the value. */
  bytes: number;
  tags: readonly string[];
  /** The token of the last lease, also if a set with it has ended it. */
  token?: string | undefined;
  lease?: HeldLease | undefined;
}

/** The content of a placeholder: a lease on a key without a value. */
export const PLACEHOLDER = Buffer.alloc(0);

/**
 * Memory of an entry beyond its key and value: map slots, the LRU's arrays, and the headers of objects and buffer. On Node 24, the
 * process grows by 780 bytes per entry with a million entries of 20 bytes, and by 1,100 bytes with 300,000.
 */
export const ENTRY_OVERHEAD_BYTES = 800;

/** Memory of a tag of an entry beyond its text: slots of the map and of a set. */
const TAG_OVERHEAD_BYTES = 250;

/** How often expired entries are purged, in milliseconds. Those that are not read count as used memory until then. */
const PURGE_INTERVAL_MS = 60_000;

/** How many of a tenant's entries are processed before other requests are. */
const PAGE = 10_000;

/**
 * The entries of all tenants: an LRU map, bounded in bytes, and indexes of each tenant's keys and tags.
 *
 * Values are buffers. They are outside of the JavaScript heap and its limit, their size is exact, and they do not keep the request body
 * alive that they were a part of.
 */
export class Entries {
  readonly maxBytes: number;
  readonly #partitions = new Map<string, Partition>();
  readonly #lru: LRUCache<Entry, Buffer>;
  readonly #nowEpochMs: () => number;
  #lastPurgeEpochMs: number;
  #evictedCount = 0;

  /** @param maxBytes the memory for the entries of all tenants together */
  constructor(maxBytes: number, nowEpochMs: () => number) {
    this.maxBytes = maxBytes;
    this.#nowEpochMs = nowEpochMs;
    this.#lastPurgeEpochMs = nowEpochMs();
    this.#lru = new LRUCache<Entry, Buffer>({
      maxSize: maxBytes,
      sizeCalculation: (value, { key, tags }) =>
        tags.reduce(
          (sum, tag) => sum + 2 * tag.length + TAG_OVERHEAD_BYTES,
          value.length + 2 * key.length + ENTRY_OVERHEAD_BYTES,
        ),
      // Not a monotonic clock, which may stop while a function is frozen.
      perf: { now: nowEpochMs },
      ttlResolution: 0,
      dispose: (_value, entry, reason) => {
        if (reason === 'evict') this.#evictedCount++;
        this.#forget(entry);
      },
    });
  }

  get usedBytes(): number {
    return this.#lru.calculatedSize;
  }

  /** How many entries the LRU has evicted because memory was full. */
  get evictedCount(): number {
    return this.#evictedCount;
  }

  /** Undefined if the tenant has no entry. */
  partitionOf(tenant: string): Partition | undefined {
    return this.#partitions.get(tenant);
  }

  /** The live entry of a key, which may be stale in its grace, or a placeholder. */
  find(tenant: string, key: string): Entry | undefined {
    const entry = this.#partitions.get(tenant)?.entries.get(key);
    return entry && this.isLive(entry) ? entry : undefined;
  }

  /** False if the entry has expired or was removed. */
  isLive(entry: Entry): boolean {
    return this.#lru.has(entry);
  }

  /** The value of an entry, which makes the entry the most recently used one. Undefined if it has just expired. */
  read(entry: Entry): Buffer | undefined {
    return this.#lru.get(entry);
  }

  /** The value of an entry, without a change of its place in the LRU. */
  peek(entry: Entry): Buffer | undefined {
    return this.#lru.peek(entry);
  }

  /** How long the entry will remain stored, including its grace, unless it is evicted. */
  remainingMs(entry: Entry): number {
    return this.#lru.getRemainingTTL(entry);
  }

  /** Replaces the entry of a key. @returns false if the LRU rejected it, because it is larger than the limit */
  store(
    tenant: string,
    key: string,
    content: Buffer,
    state: Omit<Entry, 'partition' | 'key'>,
    lifeMs: number,
  ): boolean {
    this.#purge();
    const partition = this.#partitions.get(tenant) ?? {
      tenant,
      entries: new Map(),
      tags: new Map(),
      values: { count: 0, bytes: 0 },
    };
    const previous = partition.entries.get(key);
    const entry = { partition, key, ...state };
    partition.entries.set(key, entry);
    this.#partitions.set(tenant, partition);
    if (previous) this.#lru.delete(previous);
    if (!isPlaceholder(entry)) {
      partition.values.count++;
      partition.values.bytes += entry.bytes;
    }
    this.#lru.set(entry, content, { ttl: lifeMs });
    this.tag(entry, state.tags);
    const isStored = this.#lru.has(entry);
    if (!isStored) this.#forget(entry);
    return isStored;
  }

  /** Changes the TTL of an entry with a value. @returns false if it has just expired */
  renew(entry: Entry, ttlMs: number): boolean {
    const value = this.#lru.get(entry);
    if (!value) return false;
    entry.expiryEpochMs = this.#nowEpochMs() + ttlMs;
    this.#lru.set(entry, value, { ttl: ttlMs + entry.graceMs });
    return true;
  }

  /** Adds tags to those of the entry. */
  tag(entry: Entry, tags: readonly string[]): void {
    const { partition } = entry;
    entry.tags = [...new Set([...entry.tags, ...tags])];
    for (const tag of entry.tags) {
      partition.tags.set(tag, (partition.tags.get(tag) ?? new Set()).add(entry));
    }
  }

  /** Removes an entry. @returns true if it was live, or stale in its grace */
  remove(entry: Entry): boolean {
    const live = this.#lru.has(entry) && !isPlaceholder(entry);
    this.#lru.delete(entry);
    return live;
  }

  /** Separates a tenant's entries from those that are stored from now on. The caller removes them. */
  detach(tenant: string): Partition | undefined {
    const partition = this.#partitions.get(tenant);
    this.#partitions.delete(tenant);
    return partition;
  }

  clear(): void {
    this.#lru.clear();
  }

  #forget(entry: Entry): void {
    const { tenant, entries, tags, values } = entry.partition;
    if (!isPlaceholder(entry)) {
      values.count--;
      values.bytes -= entry.bytes;
    }
    for (const tag of entry.tags) {
      const tagged = tags.get(tag);
      tagged?.delete(entry);
      if (tagged?.size === 0) tags.delete(tag);
    }
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

export function isPlaceholder({ expiryEpochMs }: Entry): boolean {
  return expiryEpochMs === 0;
}

/** The entries at the time of the call, in pages. Other requests are processed between pages. */
export async function* pages(entries: Iterable<Entry> = []): AsyncGenerator<Entry[]> {
  const all = [...entries];
  for (let at = 0; at < all.length; at += PAGE) {
    if (at > 0) await setImmediate();
    yield all.slice(at, at + PAGE);
  }
}
