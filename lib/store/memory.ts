import { setImmediate } from 'node:timers/promises';
import { LRUCache } from 'lru-cache';
import type { RequestRate } from '../config/tenant-limits.ts';
import type { Glob } from './glob.ts';
import { newId } from './id.ts';
import { type HeldLease, isHeld, MAX_STORED_TAGS, retryAfterMs } from './lease.ts';
import {
  type CacheStore,
  EVICT_TO_SHARE,
  type Hit,
  type Invalidation,
  type Item,
  type KeyFilter,
  type KeyPage,
  type LeaseManyOptions,
  type LeaseResult,
  noLimits,
  noObserver,
  type RateReply,
  type ServerState,
  type SetOptions,
  type StorageLimitsOf,
  type StoreObserver,
  takeWithinBytes,
  type Usage,
} from './store.ts';

export interface MemoryStoreOptions {
  /** The memory for the entries of all tenants together. */
  memoryMaxBytes: number;
  /** Default: no limits. */
  limitsOf?: StorageLimitsOf;
  observer?: Pick<StoreObserver, 'limitEvicted'>;
  /** The clock. Default: the system's. */
  nowEpochMs?: () => number;
}

/** A tenant's entries by key. A clear drops the partition, and the next set creates a new one. */
interface Partition {
  tenant: string;
  entries: Map<string, Entry>;
  /** The entries of each tag. */
  tags: Map<string, Set<Entry>>;
  /** Entries that have a value, and the bytes of their values. */
  values: { count: number; bytes: number };
}

/** One entry, and its key in the LRU. */
interface Entry {
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
const PLACEHOLDER = Buffer.alloc(0);

/**
 * Memory of an entry beyond its key and value: map slots, the LRU's arrays, and the headers of objects and buffer. On Node 24, the
 * process grows by 780 bytes per entry with a million entries of 20 bytes, and by 1,100 bytes with 300,000.
 */
export const ENTRY_OVERHEAD_BYTES = 800;

/** Memory of a tag of an entry beyond its text: slots of the map and of a set. */
const TAG_OVERHEAD_BYTES = 250;

/** How often expired entries are purged, in milliseconds. Those that are not read count as used memory until then. */
const PURGE_INTERVAL_MS = 60_000;

/** Tenants whose token buckets are kept. */
const MAX_BUCKETS = 100_000;

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
  readonly #limitsOf: StorageLimitsOf;
  readonly #observer: Pick<StoreObserver, 'limitEvicted'>;
  /** For each tenant, when its token bucket will be full, in epoch milliseconds. */
  #buckets: LRUCache<string, number> | undefined;
  #lastPurgeEpochMs: number;
  #evicted = 0;

  constructor({
    memoryMaxBytes,
    nowEpochMs = Date.now,
    limitsOf = noLimits,
    observer = noObserver,
  }: MemoryStoreOptions) {
    this.#nowEpochMs = nowEpochMs;
    this.#limitsOf = limitsOf;
    this.#observer = observer;
    this.#lastPurgeEpochMs = nowEpochMs();
    this.#lru = new LRUCache<Entry, Buffer>({
      maxSize: memoryMaxBytes,
      sizeCalculation: (value, { key, tags }) =>
        tags.reduce(
          (sum, tag) => sum + 2 * tag.length + TAG_OVERHEAD_BYTES,
          value.length + 2 * key.length + ENTRY_OVERHEAD_BYTES,
        ),
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

  async set(
    tenant: string,
    key: string,
    value: string,
    ttlSeconds: number,
    options?: SetOptions,
  ): Promise<boolean> {
    const [wasSet] = await this.setMany(tenant, [{ key, value, ttlSeconds, ...options }]);
    return wasSet === true;
  }

  async touch(tenant: string, key: string, ttlSeconds: number): Promise<boolean> {
    const entry = this.#find(tenant, key);
    if (!entry || this.#isStale(entry)) return false;
    const value = this.#lru.get(entry);
    if (!value) return false;
    entry.expiryEpochMs = this.#nowEpochMs() + ttlSeconds * 1000;
    this.#lru.set(entry, value, { ttl: ttlSeconds * 1000 + entry.graceMs });
    return true;
  }

  async lease(
    tenant: string,
    key: string,
    leaseSeconds: number,
    tags: readonly string[] = [],
  ): Promise<LeaseResult> {
    return this.#lease(tenant, key, leaseSeconds, tags);
  }

  async release(tenant: string, key: string, token: string): Promise<void> {
    const entry = this.#find(tenant, key);
    if (!entry?.lease || entry.token !== token) return;
    if (isPlaceholder(entry)) this.#lru.delete(entry);
    else Object.assign(entry, { token: undefined, lease: undefined });
  }

  async delete(tenant: string, key: string): Promise<boolean> {
    return this.#delete(tenant, key);
  }

  async getMany(tenant: string, keys: readonly string[], maxBytes: number): Promise<(Hit | undefined)[]> {
    return this.#getMany(tenant, keys, maxBytes, false);
  }

  async setMany(tenant: string, items: readonly Item[]): Promise<boolean[]> {
    this.#makeRoom(tenant, items);
    return items.map((item) => this.#set(tenant, item));
  }

  async leaseMany(
    tenant: string,
    keys: readonly string[],
    leaseSeconds: number,
    maxBytes: number,
    { tags = [], beforeGrant }: LeaseManyOptions = {},
  ): Promise<LeaseResult[]> {
    const hits = this.#getMany(tenant, keys, maxBytes, true);
    beforeGrant?.(hits);
    if (hits.length < keys.length) return hits.map((hit) => ({ hit }));
    const results = new Map<string, LeaseResult>();
    for (const key of keys)
      if (!results.has(key)) results.set(key, this.#lease(tenant, key, leaseSeconds, tags));
    return keys.map((key) => results.get(key) as LeaseResult);
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
    return this.#removeEach(partition?.entries.values(), deadlineEpochMs, ({ key }) =>
      pattern.matches(Buffer.from(key)) ? partition?.entries.get(key) : undefined,
    );
  }

  async invalidateTags(
    tenant: string,
    tags: readonly string[],
    deadlineEpochMs: number,
  ): Promise<Invalidation> {
    const partition = this.#partitions.get(tenant);
    const wanted = new Set(tags);
    const found = new Set(tags.flatMap((tag) => [...(partition?.tags.get(tag) ?? [])]));
    return this.#removeEach(found, deadlineEpochMs, ({ key }) => {
      const entry = partition?.entries.get(key);
      return entry?.tags.some((tag) => wanted.has(tag)) ? entry : undefined;
    });
  }

  async clear(tenant: string): Promise<number> {
    const partition = this.#partitions.get(tenant);
    this.#partitions.delete(tenant);
    const { count } = await this.#removeEach(partition?.entries.values());
    return count;
  }

  async listKeys(tenant: string, { pattern, tag, after, limit }: KeyFilter): Promise<KeyPage> {
    const partition = this.#partitions.get(tenant);
    const least = after === undefined ? undefined : Buffer.from(after);
    let found: { name: Buffer; entry: Entry }[] = [];
    let isComplete = true;
    const entries = tag === undefined ? partition?.entries.values() : partition?.tags.get(tag);
    for await (const page of pages(entries)) {
      for (const entry of page) {
        const name = Buffer.from(entry.key);
        if ((least && name.compare(least) <= 0) || !pattern.matches(name)) continue;
        // Another set may have replaced the entry since the walk began.
        const current = partition?.entries.get(entry.key);
        if (!current || !this.#lru.has(current) || isPlaceholder(current)) continue;
        if (tag === undefined || current.tags.includes(tag)) found.push({ name, entry: current });
      }
      // Bounds the memory: one page more than is returned.
      found.sort((a, b) => a.name.compare(b.name));
      isComplete &&= found.length <= limit;
      found = found.slice(0, limit);
    }
    const nowEpochMs = this.#nowEpochMs();
    const keys = found.map(({ entry: { key, expiryEpochMs, tags } }) => ({
      key,
      ttl: Math.max(0, Math.ceil((expiryEpochMs - nowEpochMs) / 1000)),
      tags: [...tags],
    }));
    return { keys, next: isComplete ? undefined : keys.at(-1)?.key };
  }

  async usage(tenant: string): Promise<Usage> {
    const usage: Usage = { entries: 0, bytes: 0, sampled: 0, missing: 0 };
    for await (const page of pages(this.#partitions.get(tenant)?.entries.values())) {
      for (const entry of page) {
        const value = this.#lru.peek(entry);
        if (!value || isPlaceholder(entry)) continue;
        usage.entries++;
        usage.bytes += value.length;
      }
    }
    usage.sampled = usage.entries;
    return usage;
  }

  async takeRequests(tenant: string, { perSecond, burst }: RequestRate, count: number): Promise<RateReply> {
    // It reserves memory for all of them.
    this.#buckets ??= new LRUCache({ max: MAX_BUCKETS });
    const nowEpochMs = this.#nowEpochMs();
    const perRequestMs = 1000 / perSecond;
    const sizeMs = burst * perRequestMs;
    // A time too far ahead is from a larger bucket, or from a clock that was set back.
    const full = Math.min(Math.max(this.#buckets.get(tenant) ?? 0, nowEpochMs), nowEpochMs + 2 * sizeMs);
    const after = full + count * perRequestMs;
    const waitMs = full + perRequestMs - sizeMs - nowEpochMs;
    // Rounding must not reject a request that exactly fits.
    const isAllowed = waitMs < 0.001;
    if (isAllowed) this.#buckets.set(tenant, after);
    const resetMs = (isAllowed ? after : full) - nowEpochMs;
    return {
      retryAfterMs: isAllowed ? undefined : waitMs,
      remaining: Math.max(0, Math.floor((sizeMs - resetMs) / perRequestMs + 1e-6)),
      resetMs,
    };
  }

  async servers(): Promise<ServerState[]> {
    const { calculatedSize: usedBytes, maxSize: limitBytes } = this.#lru;
    return [
      {
        usedBytes,
        limitBytes,
        evicts: true,
        fragmentation: undefined,
        evicted: this.#evicted,
        connections: undefined,
      },
    ];
  }

  async ping(): Promise<void> {}

  async close(): Promise<void> {
    this.#lru.clear();
  }

  /** The entry that the LRU still has. */
  #find(tenant: string, key: string): Entry | undefined {
    const entry = this.#partitions.get(tenant)?.entries.get(key);
    return entry && this.#lru.has(entry) ? entry : undefined;
  }

  #isStale(entry: Entry): boolean {
    return entry.expiryEpochMs <= this.#nowEpochMs();
  }

  /** @param wantsStale false: a stale value is a miss */
  #get(tenant: string, key: string, wantsStale = false): Hit | undefined {
    const entry = this.#find(tenant, key);
    const hit = entry && !isPlaceholder(entry) ? this.#read(entry) : undefined;
    return wantsStale || hit?.ttl ? hit : undefined;
  }

  #getMany(
    tenant: string,
    keys: readonly string[],
    maxBytes: number,
    wantsStale: boolean,
  ): (Hit | undefined)[] {
    return takeWithinBytes(
      maxBytes,
      keys,
      (key) => this.#get(tenant, key, wantsStale),
      (hit) => hit,
    );
  }

  /** Reads an entry that has a value. @returns undefined if it has just expired */
  #read(entry: Entry): Hit | undefined {
    const value = this.#lru.get(entry);
    if (!value) return undefined;
    const leftMs = entry.expiryEpochMs - this.#nowEpochMs();
    return { value: value.toString(), bytes: value.length, ttl: Math.max(0, Math.ceil(leftMs / 1000)) };
  }

  #lease(tenant: string, key: string, leaseSeconds: number, tags: readonly string[]): LeaseResult {
    const nowEpochMs = this.#nowEpochMs();
    const entry = this.#find(tenant, key);
    const hit = entry && !isPlaceholder(entry) ? this.#read(entry) : undefined;
    if (hit && hit.ttl > 0) return { hit };
    if (entry?.lease && isHeld(entry.lease, nowEpochMs)) {
      return hit ? { hit } : { retryAfterMs: retryAfterMs(entry.lease, nowEpochMs) };
    }
    const token = newId();
    const graceSeconds = hit ? Math.floor(this.#lru.getRemainingTTL(entry as Entry) / 1000) : 0;
    const allTags = new Set([...(entry?.tags ?? []), ...tags]);
    // In the last second of the grace there is no time for a lease on the stale value. With too many tags, the value is dropped.
    if (entry && graceSeconds > 0 && allTags.size <= MAX_STORED_TAGS) {
      const seconds = Math.min(leaseSeconds, graceSeconds);
      Object.assign(entry, { token, lease: { expiryEpochMs: nowEpochMs + seconds * 1000, seconds } });
      // The value's own tags remain: an invalidation of any of them must end the lease.
      this.#tag(entry, tags);
      return { hit, lease: { token, ttlSeconds: seconds } };
    }
    const lease = { expiryEpochMs: nowEpochMs + leaseSeconds * 1000, seconds: leaseSeconds };
    const stored = this.#store(
      tenant,
      key,
      PLACEHOLDER,
      { expiryEpochMs: 0, graceMs: 0, bytes: 0, tags, token, lease },
      leaseSeconds * 1000,
    );
    return stored ? { lease: { token, ttlSeconds: leaseSeconds } } : {};
  }

  /** @returns false if the item's lease has ended */
  #set(tenant: string, { key, value, ttlSeconds, graceSeconds = 0, lease: token, tags = [] }: Item): boolean {
    if (token !== undefined) {
      const entry = this.#find(tenant, key);
      if (entry?.token !== token) return false;
      // Set already: the set was sent again.
      if (!entry.lease) return true;
      if (entry.lease.expiryEpochMs <= this.#nowEpochMs()) return false;
    }
    // Not from Buffer's pool: a small value would keep a whole slab alive.
    const content = Buffer.allocUnsafeSlow(Buffer.byteLength(value));
    content.write(value);
    const ttlMs = ttlSeconds * 1000;
    const graceMs = graceSeconds * 1000;
    const expiryEpochMs = this.#nowEpochMs() + ttlMs;
    const { length: bytes } = content;
    this.#store(tenant, key, content, { expiryEpochMs, graceMs, bytes, tags, token }, ttlMs + graceMs);
    return true;
  }

  /** Replaces the entry of a key. @returns false if the LRU rejected it, because it is larger than the limit */
  #store(
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
    this.#tag(entry, state.tags);
    const isStored = this.#lru.has(entry);
    if (!isStored) this.#forget(entry);
    return isStored;
  }

  /**
   * Evicts what expires soonest of a tenant that these items would bring above its limits. Before they are stored: the LRU would otherwise evict
   * entries of other tenants for them.
   */
  #makeRoom(tenant: string, items: readonly Item[]): void {
    const { maxEntries = Number.POSITIVE_INFINITY, maxBytes = Number.POSITIVE_INFINITY } =
      this.#limitsOf(tenant);
    const partition = this.#partitions.get(tenant);
    if (!partition || Math.min(maxEntries, maxBytes) === Number.POSITIVE_INFINITY) return;
    const { values, entries } = partition;
    // What will be stored: the last item of each key, in place of the former entry.
    const added = new Map(items.map(({ key, value }) => [key, Buffer.byteLength(value)]));
    const replaced = [...added.keys()]
      .flatMap((key) => entries.get(key) ?? [])
      .filter((each) => !isPlaceholder(each));
    const sumOf = (sizes: Iterable<number>) => [...sizes].reduce((sum, bytes) => sum + bytes, 0);
    const addedCount = added.size - replaced.length;
    const addedBytes = sumOf(added.values()) - sumOf(replaced.map(({ bytes }) => bytes));
    const isAboveCount = () => values.count + addedCount > maxEntries;
    const isAboveBytes = () => values.bytes + addedBytes > maxBytes;
    if (!isAboveCount() && !isAboveBytes()) return;
    // What has expired counts until it is purged.
    for (const entry of entries.values()) if (!this.#lru.has(entry)) this.#lru.delete(entry);
    const keptCount = (isAboveCount() ? Math.floor(EVICT_TO_SHARE * maxEntries) : maxEntries) - addedCount;
    const keptBytes = (isAboveBytes() ? EVICT_TO_SHARE * maxBytes : maxBytes) - addedBytes;
    const isAbove = () => values.count > keptCount || values.bytes > keptBytes;
    const endOf = ({ expiryEpochMs, graceMs }: Entry) => expiryEpochMs + graceMs;
    let evicted = 0;
    while (isAbove()) {
      const others = [...entries.values()].filter((entry) => !added.has(entry.key) && !isPlaceholder(entry));
      if (others.length === 0) break;
      const meanBytes = Math.max(1, values.bytes / values.count);
      const needed = Math.max(values.count - keptCount, Math.ceil((values.bytes - keptBytes) / meanBytes), 1);
      // Numbers are sorted ten times as fast as entries.
      const ends = Float64Array.from(others, endOf).sort();
      const latestEnd = ends[Math.min(needed, ends.length) - 1] as number;
      for (const entry of others) {
        if (endOf(entry) > latestEnd || !isAbove()) continue;
        this.#lru.delete(entry);
        evicted++;
      }
    }
    if (evicted > 0) this.#observer.limitEvicted(evicted);
  }

  #delete(tenant: string, key: string): boolean {
    const entry = this.#partitions.get(tenant)?.entries.get(key);
    return entry !== undefined && this.#remove(entry);
  }

  /**
   * Removes entries page by page, at least one page.
   *
   * @param entries those at the time of the call
   * @param deadlineEpochMs after which no page is started
   * @param current returns the entry to remove: a set since then may have replaced the one that was found
   */
  async #removeEach(
    entries: Iterable<Entry> = [],
    deadlineEpochMs = Number.POSITIVE_INFINITY,
    current: (found: Entry) => Entry | undefined = (found) => found,
  ): Promise<Invalidation> {
    let count = 0;
    let isPastDeadline = false;
    for await (const page of pages(entries)) {
      if (isPastDeadline) return { count, complete: false };
      for (const found of page) {
        const entry = current(found);
        if (entry && this.#remove(entry)) count++;
      }
      isPastDeadline = Date.now() >= deadlineEpochMs;
    }
    return { count, complete: true };
  }

  /** @returns true if the entry was live, or stale in its grace */
  #remove(entry: Entry): boolean {
    const live = this.#lru.has(entry) && !isPlaceholder(entry);
    this.#lru.delete(entry);
    return live;
  }

  #tag(entry: Entry, tags: readonly string[]): void {
    const { partition } = entry;
    entry.tags = [...new Set([...entry.tags, ...tags])];
    for (const tag of entry.tags) {
      partition.tags.set(tag, (partition.tags.get(tag) ?? new Set()).add(entry));
    }
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

function isPlaceholder({ expiryEpochMs }: Entry): boolean {
  return expiryEpochMs === 0;
}

/** The entries at the time of the call, in pages. */
async function* pages(entries: Iterable<Entry> = []): AsyncGenerator<Entry[]> {
  const all = [...entries];
  for (let at = 0; at < all.length; at += PAGE) {
    if (at > 0) await setImmediate();
    yield all.slice(at, at + PAGE);
  }
}
