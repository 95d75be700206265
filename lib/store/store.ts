import type { Glob } from './glob.ts';

/** What a hit holds. */
export interface Hit {
  /** The value's JSON text, byte for byte as it was set. */
  value: string;
  /** The value's length in bytes of UTF-8, for which its text would have to be walked through. */
  bytes: number;
  /** Whole seconds left to live, rounded up: 1 or more. */
  ttl: number;
}

/** An entry to write. */
export interface Item {
  key: string;
  /** JSON text. */
  value: string;
  /** How long it lives: whole seconds, 1 or more. */
  ttlSeconds: number;
}

/** How far an invalidation came. */
export interface Invalidation {
  /** Live entries that went. */
  count: number;
  /** False when the deadline came first; the same call again removes more. */
  complete: boolean;
}

/** What a tenant takes of the backend. */
export interface Usage {
  /** Live entries. A server goes by its index, and so counts what it has evicted until its time is up or a set notices. */
  entries: number;
  /** Of the entries as they are stored, compressed where they are, without their keys and indexes: projected from a sample. */
  bytes: number;
  /** How many entries the sample looked at. If that is all of them, the bytes are no estimate. */
  sampled: number;
  /** How many of these were not there: evicted, or gone at that moment. They count as no bytes. */
  missing: number;
}

/** What a server of the backend says of itself; of the embedded backend, this process. */
export interface ServerState {
  usedBytes: number;
  /** What it may use; undefined: whatever there is. */
  limitBytes: number | undefined;
  /** What it has of the system for each byte that it uses; undefined where it does not tell. */
  fragmentation: number | undefined;
  /** Entries that it has evicted for want of memory since it started. */
  evicted: number;
  /** Undefined where there are none to be made. */
  connections: number | undefined;
}

/** Receives what a store reports beside its results, for metrics. */
export interface StoreObserver {
  /** An operation on the backend has ended; the duration includes the wait for a connection and retries. */
  backendCalled(durationMs: number): void;
  /** A value was stored compressed, in this many bytes less. */
  compressed(savedBytes: number): void;
  /** A connection to the backend replaced one that was lost. */
  reconnected(): void;
}

export const noObserver: StoreObserver = { backendCalled() {}, compressed() {}, reconnected() {} };

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
   * Several gets side by side: for each key, in order, what `get` would answer.
   *
   * @param maxBytes what the values may take together. The answer ends before the one that would take them above it, so that
   *   it may be shorter than `keys`; but the first value is always in it.
   */
  getMany(tenant: string, keys: readonly string[], maxBytes: number): Promise<(Hit | undefined)[]>;

  /**
   * Several sets side by side. Each is one of its own: others may see some of them before the rest, and when this throws some
   * may have been made. Of two with one key the last counts.
   */
  setMany(tenant: string, items: readonly Item[]): Promise<void>;

  /** Several deletes side by side. @returns how many live entries went */
  deleteMany(tenant: string, keys: readonly string[]): Promise<number>;

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

  /** What a tenant takes. On a server it costs the same whatever that is; in memory each entry is looked at. */
  usage(tenant: string): Promise<Usage>;

  /** What every server of the backend says of itself. */
  servers(): Promise<ServerState[]>;

  /** Makes one round trip to the backend. */
  ping(): Promise<void>;

  /** Ends connections and timers; no other method may follow. */
  close(): Promise<void>;
}
