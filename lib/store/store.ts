import type { RequestRate, TenantLimits } from '../config/tenant-limits.ts';
import type { Glob } from './glob.ts';

/** A live entry that was found. */
export interface Hit {
  /** The value's JSON text, byte for byte as it was set. */
  value: string;
  /** The length of the value in bytes of UTF-8. */
  bytes: number;
  /** Remaining TTL in whole seconds, rounded up: 1 or more, and 0 for a stale value, which only lease requests return. */
  ttl: number;
}

export interface SetOptions {
  /** Whole seconds after the TTL in which lease requests can still read the value as stale. Default: 0. */
  graceSeconds?: number | undefined;
  /** The token of a lease on the key. The value is set only if the lease has not ended. */
  lease?: string | undefined;
  /** What the value was made from. Without control characters. */
  tags?: readonly string[] | undefined;
}

export interface LeaseManyOptions {
  /** As in `lease`, for every key. */
  tags?: readonly string[] | undefined;
  /** Is called with the hits before leases are granted. If it throws, none is, and the call rejects with its error. */
  beforeGrant?: ((hits: (Hit | undefined)[]) => void) | undefined;
}

/** An entry to write. */
export interface Item extends SetOptions {
  key: string;
  /** JSON text. */
  value: string;
  /** Whole seconds, 1 or more. */
  ttlSeconds: number;
}

/**
 * A lease is the right to produce the value of a key. It is a state of the key's entry: a key without a value gets a placeholder, and a
 * stale value is marked. Everything that removes or replaces the entry therefore ends the lease too, and a value that was produced
 * before an invalidation cannot be set after it.
 */
export interface Lease {
  /** Random, see `newId`. A set that contains it is rejected if the lease has ended. */
  token: string;
  /** Whole seconds, 1 or more. */
  ttlSeconds: number;
}

/** The result of a lease request. A fresh hit has no lease. */
export interface LeaseResult {
  /** Undefined for a miss. The TTL of a stale value is 0. */
  hit?: Hit | undefined;
  /** Granted to the caller, who shall produce the value. */
  lease?: Lease | undefined;
  /** When to ask again, if another caller has the lease on a key without a value. Undefined if leases cannot be stored. */
  retryAfterMs?: number | undefined;
}

/** The result of an invalidation. */
export interface Invalidation {
  /** Live entries that were removed, and stale ones in their grace. */
  count: number;
  /** False if the deadline passed first. The same call then removes more. */
  complete: boolean;
}

/** What a tenant stores. */
export interface Usage {
  /** Live entries, and stale ones in their grace. On a server they are counted by the index, which contains evicted entries until they expire or a set probes them. */
  entries: number;
  /** Bytes of the entries as stored, which may be compressed, without keys and indexes. Projected from a sample. */
  bytes: number;
  /** The size of the sample. If it contains all entries, `bytes` is exact. */
  sampled: number;
  /** Sampled entries that were evicted or have just been removed. They count as 0 bytes. */
  missing: number;
}

/** Which keys to list. */
export interface KeyFilter {
  pattern: Glob;
  /** Only entries that have this tag. */
  tag?: string | undefined;
  /** Only keys after this one, in the order of their bytes in UTF-8. */
  after?: string | undefined;
  /** The maximum number of keys, 1 or more. */
  limit: number;
}

/** A key of a live entry, or of a stale one in its grace. */
export interface ListedKey {
  key: string;
  /** Remaining TTL in whole seconds, rounded up; 0 for a stale value. */
  ttl: number;
  tags: string[];
}

/** A page of keys in the order of their bytes. */
export interface KeyPage {
  keys: ListedKey[];
  /** The next page begins after this key, which may not be in the page. Undefined: there are no more keys. */
  next: string | undefined;
}

/** The state of one server of the backend, or of this process for the memory store. */
export interface ServerState {
  usedBytes: number;
  /** The memory limit; undefined if there is none. */
  limitBytes: number | undefined;
  /** Whether it evicts entries when its memory is full. Otherwise it rejects sets. */
  evicts: boolean;
  /** Memory taken from the system divided by memory used; undefined if it is not reported. */
  fragmentation: number | undefined;
  /** Entries evicted since the server started. */
  evicted: number;
  /** Client connections; undefined for the memory store. */
  connections: number | undefined;
}

/** What a tenant may store. */
export type StorageLimits = Pick<TenantLimits, 'maxBytes' | 'maxEntries'>;
export type StorageLimitsOf = (tenant: string) => StorageLimits;

export const noLimits: StorageLimitsOf = () => ({ maxEntries: undefined, maxBytes: undefined });

/**
 * A tenant above its limit loses the entries that expire soonest, down to this share of its limit. So not every further set evicts.
 */
export const EVICT_TO_SHARE = 0.98;

/** The state of a tenant's token bucket, after requests were taken or rejected. */
export interface RateReply {
  /** Undefined if the requests are allowed. Otherwise the time after which they are. */
  retryAfterMs: number | undefined;
  /** Whole requests left. */
  remaining: number;
  /** Time until the bucket is full. */
  resetMs: number;
}

/** Receives what a store reports for metrics. */
export interface StoreObserver {
  /** An operation on the backend has ended. The duration includes the wait for a connection and retries. */
  backendCalled(durationMs: number): void;
  /** A value was stored compressed. */
  compressed(savedBytes: number): void;
  /** A tenant's limits have evicted entries. */
  limitEvicted(count: number): void;
  /** What is above a tenant's limits could not be evicted, by an error that is no failure of the backend. */
  limitEvictionFailed(error: unknown): void;
  /** A connection to the backend replaced one that was lost. */
  reconnected(): void;
  /** No lease was granted because the backend refuses writes. @param reason the backend's */
  leaseRefused(reason: string): void;
}

export const noObserver: StoreObserver = {
  backendCalled() {},
  compressed() {},
  limitEvicted() {},
  limitEvictionFailed() {},
  reconnected() {},
  leaseRefused() {},
};

/**
 * A cache for any number of tenants, which cannot access each other's entries.
 *
 * A store may lose entries, for example by eviction or with a node: callers see a miss. It never returns an entry that was
 * overwritten, deleted, invalidated or cleared, or that has expired. The conformance suite specifies the rest.
 *
 * Every method throws `BackendUnavailableError` if the backend does not reply in time.
 */
export interface CacheStore {
  /** The kind of backend, for health reports. */
  readonly kind: 'memory' | 'dragonfly';

  /** @returns the live entry, or undefined for a miss */
  get(tenant: string, key: string): Promise<Hit | undefined>;

  /**
   * Writes or replaces an entry.
   *
   * A set with a lease may be sent again after any failure: once a set with this lease has been applied, all others succeed and change
   * nothing, whatever their values.
   *
   * @param value JSON text
   * @param ttlSeconds whole seconds, 1 or more
   * @returns false if the lease in `options` has ended: nothing was written
   */
  set(tenant: string, key: string, value: string, ttlSeconds: number, options?: SetOptions): Promise<boolean>;

  /** Changes the TTL of a live entry to `ttlSeconds` from now and leaves its value as it is. False: a miss. */
  touch(tenant: string, key: string, ttlSeconds: number): Promise<boolean>;

  /**
   * Reads a key, and grants a lease on it if it has no fresh value and nobody else has one. The lease ends after `leaseSeconds`, or with the
   * stale value's grace if that is earlier.
   *
   * Leases are not granted by a backend that refuses writes.
   *
   * @param leaseSeconds whole seconds, 1 to 300
   * @param tags what the value will be made from: an invalidation of one of them ends the lease
   */
  lease(tenant: string, key: string, leaseSeconds: number, tags?: readonly string[]): Promise<LeaseResult>;

  /** Ends a lease without a value. A stale value remains. Does nothing if the lease has ended. */
  release(tenant: string, key: string, token: string): Promise<void>;

  /** Removes an entry. @returns true if it was live, or stale in its grace */
  delete(tenant: string, key: string): Promise<boolean>;

  /**
   * Gets several entries at the same time. Returns the result of `get` for each key, in order.
   *
   * @param maxBytes the total length of the values. The result ends before the value that would exceed it, and so may be shorter than
   *   `keys`, but always contains the first value.
   */
  getMany(tenant: string, keys: readonly string[], maxBytes: number): Promise<(Hit | undefined)[]>;

  /**
   * Sets several entries at the same time, not atomically: readers may see some of them before the others, and some may be set even if
   * this throws. If a key occurs twice, the last item is kept.
   *
   * @returns what `set` returns for each item, in order
   */
  setMany(tenant: string, items: readonly Item[]): Promise<boolean[]>;

  /**
   * Requests leases on several keys at the same time. Returns the result of `lease` for each key, in order.
   *
   * @param maxBytes as in `getMany`. If the result is shorter than `keys`, no lease has been granted.
   */
  leaseMany(
    tenant: string,
    keys: readonly string[],
    leaseSeconds: number,
    maxBytes: number,
    options?: LeaseManyOptions,
  ): Promise<LeaseResult[]>;

  /** Removes several entries at the same time. @returns the number of live ones */
  deleteMany(tenant: string, keys: readonly string[]): Promise<number>;

  /**
   * Removes every entry of the tenant whose whole key matches. When the result is `complete`, every match that was set before the call
   * has been removed. A match that is set during the call may or may not be removed.
   *
   * @param deadlineEpochMs after which it stops
   */
  invalidate(tenant: string, pattern: Glob, deadlineEpochMs: number): Promise<Invalidation>;

  /**
   * Removes every entry of the tenant that has at least one of the tags. An entry has the tags that it was last set with. The result is as
   * for `invalidate`.
   *
   * @param deadlineEpochMs after which it stops
   */
  invalidateTags(tenant: string, tags: readonly string[], deadlineEpochMs: number): Promise<Invalidation>;

  /**
   * Removes every entry of the tenant: makes all of them unreadable first, and then reclaims their memory.
   *
   * @param deadlineEpochMs after which the rest of the memory is left to the entries' TTLs
   * @returns the number of live entries
   */
  clear(tenant: string, deadlineEpochMs: number): Promise<number>;

  /**
   * Lists keys. A key that exists throughout a walk over all pages is listed exactly once.
   *
   * @param deadlineEpochMs after which it returns what it has found so far, which may be nothing
   */
  listKeys(tenant: string, filter: KeyFilter, deadlineEpochMs: number): Promise<KeyPage>;

  /** Measures what a tenant stores: on a server at a constant cost, in memory by reading each entry. */
  usage(tenant: string): Promise<Usage>;

  /**
   * Takes requests from a tenant's token bucket, which all processes share, if at least one is left. Those that are not left delay the next
   * ones.
   *
   * @param count at most the burst
   */
  takeRequests(tenant: string, rate: RequestRate, count: number): Promise<RateReply>;

  /** Reads the state of every server of the backend. */
  servers(): Promise<ServerState[]>;

  /** Makes one round trip to the backend. */
  ping(): Promise<void>;

  /** Closes connections and timers. No other method may be called afterwards. */
  close(): Promise<void>;
}

/**
 * Reads keys in order until the values would exceed `maxBytes` together. The result always contains the first value. At most one value
 * that does not fit is decoded.
 */
export function takeWithinBytes<Key, Result>(
  maxBytes: number,
  keys: readonly Key[],
  read: (key: Key) => Result,
  hitOf: (result: Result) => Hit | undefined,
): Result[] {
  const results: Result[] = [];
  let totalBytes = 0;
  for (const key of keys) {
    const result = read(key);
    const bytes = hitOf(result)?.bytes ?? 0;
    if (totalBytes > 0 && totalBytes + bytes > maxBytes) break;
    totalBytes += bytes;
    results.push(result);
  }
  return results;
}
