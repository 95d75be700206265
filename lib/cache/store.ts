import type { Glob } from './glob.ts';

/** What a hit holds. */
export interface Hit {
  /** The value's JSON text, byte for byte as it was set. */
  value: string;
  /** Whole seconds left to live, rounded up: 1 or more. */
  ttl: number;
}

/** How far an invalidation came. */
export interface Invalidation {
  /** Live entries that went. */
  count: number;
  /** False when the deadline came first; the same call again goes on. */
  complete: boolean;
}

/**
 * What a cache does, for any number of tenants that cannot reach each other.
 *
 * A store may forget (evict, lose a node, be emptied), which callers see as a miss. It may not remember wrongly: what was
 * overwritten, deleted, invalidated, cleared or has expired is never returned again. The conformance suite states the rest.
 *
 * Every method throws `BackendUnavailableError` when the backend does not answer in time.
 */
export interface CacheStore {
  /** Which backend this is, for health reports. */
  readonly kind: 'memory' | 'dragonfly';

  /** The live entry under `key`, or undefined: a miss. */
  get(tenant: string, key: string): Promise<Hit | undefined>;

  /** Writes or replaces an entry that lives for `ttlSeconds` (whole seconds, 1 or more). `value` is JSON text. */
  set(tenant: string, key: string, value: string, ttlSeconds: number): Promise<void>;

  /** Removes an entry. True when a live one went. */
  delete(tenant: string, key: string): Promise<boolean>;

  /**
   * Removes every entry of the tenant whose whole key matches. What was set before the call is gone when it answers
   * `complete`; what is set while it runs may or may not be.
   *
   * @param deadline epoch milliseconds after which it stops and says how far it got
   */
  invalidate(tenant: string, pattern: Glob, deadline: number): Promise<Invalidation>;

  /**
   * Removes every entry of the tenant: all of them are unreadable before any memory is given back.
   *
   * @param deadline epoch milliseconds after which it leaves the rest of the memory to the entries' own expiry
   * @returns the live entries that went
   */
  clear(tenant: string, deadline: number): Promise<number>;

  /** Makes one round trip to the backend. */
  ping(): Promise<void>;

  /** Ends connections and timers; no other method may follow. */
  close(): Promise<void>;
}
