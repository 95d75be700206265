import type { RequestRate } from '../../config/tenant-limits.ts';
import type { Glob } from '../glob.ts';
import { newId } from '../id.ts';
import { isHeld, MAX_STORED_TAGS, retryAfterMs } from '../lease.ts';
import {
  type CacheStore,
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
} from '../store.ts';
import { Entries, type Entry, isPlaceholder, PLACEHOLDER, pages } from './entries.ts';
import { makeRoom } from './limits.ts';
import { TokenBuckets } from './token-buckets.ts';

export interface MemoryStoreOptions {
  /** The memory for the entries of all tenants together. */
  memoryMaxBytes: number;
  /** Default: no limits. */
  limitsOf?: StorageLimitsOf;
  observer?: Pick<StoreObserver, 'limitEvicted'>;
  /** The clock. Default: the system's. */
  nowEpochMs?: () => number;
}

/** The store in the process's own memory. */
export class MemoryStore implements CacheStore {
  readonly kind = 'memory';
  readonly #entries: Entries;
  readonly #buckets: TokenBuckets;
  readonly #nowEpochMs: () => number;
  readonly #limitsOf: StorageLimitsOf;
  readonly #observer: Pick<StoreObserver, 'limitEvicted'>;

  constructor({
    memoryMaxBytes,
    nowEpochMs = Date.now,
    limitsOf = noLimits,
    observer = noObserver,
  }: MemoryStoreOptions) {
    this.#entries = new Entries(memoryMaxBytes, nowEpochMs);
    this.#buckets = new TokenBuckets(nowEpochMs);
    this.#nowEpochMs = nowEpochMs;
    this.#limitsOf = limitsOf;
    this.#observer = observer;
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
    const entry = this.#entries.find(tenant, key);
    if (!entry || entry.expiryEpochMs <= this.#nowEpochMs()) return false;
    return this.#entries.renew(entry, ttlSeconds * 1000);
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
    const entry = this.#entries.find(tenant, key);
    if (!entry?.lease || entry.token !== token) return;
    if (isPlaceholder(entry)) this.#entries.remove(entry);
    else Object.assign(entry, { token: undefined, lease: undefined });
  }

  async delete(tenant: string, key: string): Promise<boolean> {
    return this.#delete(tenant, key);
  }

  async getMany(tenant: string, keys: readonly string[], maxBytes: number): Promise<(Hit | undefined)[]> {
    return this.#getMany(tenant, keys, maxBytes, false);
  }

  async setMany(tenant: string, items: readonly Item[]): Promise<boolean[]> {
    const evicted = makeRoom(this.#entries, tenant, items, this.#limitsOf(tenant));
    if (evicted > 0) this.#observer.limitEvicted(evicted);
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
    const partition = this.#entries.partitionOf(tenant);
    return this.#removeEach(partition?.entries.values(), deadlineEpochMs, ({ key }) =>
      pattern.matches(Buffer.from(key)) ? partition?.entries.get(key) : undefined,
    );
  }

  async invalidateTags(
    tenant: string,
    tags: readonly string[],
    deadlineEpochMs: number,
  ): Promise<Invalidation> {
    const partition = this.#entries.partitionOf(tenant);
    const wanted = new Set(tags);
    const found = new Set(tags.flatMap((tag) => [...(partition?.tags.get(tag) ?? [])]));
    return this.#removeEach(found, deadlineEpochMs, ({ key }) => {
      const entry = partition?.entries.get(key);
      return entry?.tags.some((tag) => wanted.has(tag)) ? entry : undefined;
    });
  }

  async clear(tenant: string): Promise<number> {
    const { count } = await this.#removeEach(this.#entries.detach(tenant)?.entries.values());
    return count;
  }

  async listKeys(tenant: string, { pattern, tag, after, limit }: KeyFilter): Promise<KeyPage> {
    const partition = this.#entries.partitionOf(tenant);
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
        if (!current || !this.#entries.isLive(current) || isPlaceholder(current)) continue;
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
    for await (const page of pages(this.#entries.partitionOf(tenant)?.entries.values())) {
      for (const entry of page) {
        const value = this.#entries.peek(entry);
        if (!value || isPlaceholder(entry)) continue;
        usage.entries++;
        usage.bytes += value.length;
      }
    }
    usage.sampled = usage.entries;
    return usage;
  }

  async takeRequests(tenant: string, rate: RequestRate, count: number): Promise<RateReply> {
    return this.#buckets.take(tenant, rate, count);
  }

  async servers(): Promise<ServerState[]> {
    const { usedBytes, maxBytes: limitBytes, evictedCount: evicted } = this.#entries;
    return [
      { usedBytes, limitBytes, evicts: true, fragmentation: undefined, evicted, connections: undefined },
    ];
  }

  async ping(): Promise<void> {}

  async close(): Promise<void> {
    this.#entries.clear();
  }

  /** @param wantsStale false: a stale value is a miss */
  #get(tenant: string, key: string, wantsStale = false): Hit | undefined {
    const entry = this.#entries.find(tenant, key);
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
    const value = this.#entries.read(entry);
    if (!value) return undefined;
    const leftMs = entry.expiryEpochMs - this.#nowEpochMs();
    return { value: value.toString(), bytes: value.length, ttl: Math.max(0, Math.ceil(leftMs / 1000)) };
  }

  #lease(tenant: string, key: string, leaseSeconds: number, tags: readonly string[]): LeaseResult {
    const nowEpochMs = this.#nowEpochMs();
    const entry = this.#entries.find(tenant, key);
    const hit = entry && !isPlaceholder(entry) ? this.#read(entry) : undefined;
    if (hit && hit.ttl > 0) return { hit };
    if (entry?.lease && isHeld(entry.lease, nowEpochMs)) {
      return hit ? { hit } : { retryAfterMs: retryAfterMs(entry.lease, nowEpochMs) };
    }
    const token = newId();
    const graceSeconds = hit ? Math.floor(this.#entries.remainingMs(entry as Entry) / 1000) : 0;
    const allTags = new Set([...(entry?.tags ?? []), ...tags]);
    // In the last second of the grace there is no time for a lease on the stale value. With too many tags, the value is dropped.
    if (entry && graceSeconds > 0 && allTags.size <= MAX_STORED_TAGS) {
      const seconds = Math.min(leaseSeconds, graceSeconds);
      Object.assign(entry, { token, lease: { expiryEpochMs: nowEpochMs + seconds * 1000, seconds } });
      // The value's own tags remain: an invalidation of any of them must end the lease.
      this.#entries.tag(entry, tags);
      return { hit, lease: { token, ttlSeconds: seconds } };
    }
    const lease = { expiryEpochMs: nowEpochMs + leaseSeconds * 1000, seconds: leaseSeconds };
    const stored = this.#entries.store(
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
      const entry = this.#entries.find(tenant, key);
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
    this.#entries.store(
      tenant,
      key,
      content,
      { expiryEpochMs, graceMs, bytes, tags, token },
      ttlMs + graceMs,
    );
    return true;
  }

  #delete(tenant: string, key: string): boolean {
    const entry = this.#entries.partitionOf(tenant)?.entries.get(key);
    return entry !== undefined && this.#entries.remove(entry);
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
        if (entry && this.#entries.remove(entry)) count++;
      }
      isPastDeadline = Date.now() >= deadlineEpochMs;
    }
    return { count, complete: true };
  }
}
