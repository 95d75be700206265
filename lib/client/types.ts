import type { Fetch, Signal } from './runtime.ts';

/** A request before it is sent. */
export interface Outgoing {
  method: string;
  /** Absolute. */
  url: string;
  /** Names in lower case. */
  headers: Readonly<Record<string, string>>;
  /** Empty if the request has none. */
  body: string;
}

/** Returns headers that authorize a request. It is called for each request and each retry. The call rejects with what it throws. */
export type Authorize = (request: Outgoing) => Record<string, string> | Promise<Record<string, string>>;

export interface ClientOptions {
  /** Base URL of the service, including a path prefix if there is one: `http://localhost:8080`. */
  url: string;
  tenant: string;
  /** Sent as `X-User-ID`, for the service's log and traces. */
  userId?: string | undefined;
  /** Maximum time of a call, including retries. Default: 10,000; for `invalidate` and `clear` at least 60,000. */
  timeoutMs?: number | undefined;
  /** Maximum time of the producer of a `getOrSet`, and of the wait for a value that another process produces. Default: 60,000. */
  produceTimeoutMs?: number | undefined;
  /** Maximum number of retries where they are safe. Default: 2. */
  retries?: number | undefined;
  /** Default: the runtime's. It is called with `cache: 'no-store'` if the runtime supports that option. */
  fetch?: Fetch | undefined;
  /** `bearer(…)`, `sigV4(…)` or a function of your own. */
  authorize?: Authorize | undefined;
  /** Called once per call. Returns headers such as `traceparent`, `tracestate` or `X-Correlation-ID`. */
  headers?: (() => Readonly<Record<string, string | undefined>>) | undefined;
  /**
   * Called with each cache failure that `getOrSet` and `getOrSetMany` handle as a miss, for each value that they cannot cache, and with each
   * error of a producer for which a stale value was returned.
   */
  onError?: ((error: unknown, about: ErrorContext) => void) | undefined;
  /** Parses whole responses. Default: `JSON.parse`. */
  parse?: ((text: string) => unknown) | undefined;
  /** Serializes a value. Default: `JSON.stringify`. */
  stringify?: ((value: unknown) => string | undefined) | undefined;
}

/** What failed. */
export interface ErrorContext {
  /** `produce`: the caller's own function. */
  operation: 'get' | 'set' | 'produce';
  key: string;
  /** All keys, if several are concerned. `key` is the first. */
  keys?: readonly string[];
}

/** Options of every call. */
export interface CallOptions {
  /** Ends the call, which then rejects with the signal's reason. */
  signal?: Signal | undefined;
  /** Replaces the client's. */
  timeoutMs?: number | undefined;
  /** Connects the call with others in logs; all requests of the call contain it. Default: a random UUID. */
  correlationId?: string | undefined;
  /** Replace headers of the same name that the client's `headers` returns. */
  headers?: Readonly<Record<string, string | undefined>> | undefined;
}

/** What a value is made from, such as the documents of a search result. `invalidateTags` removes all entries that have a tag. */
export interface Tags {
  /** Up to 16, of 1 to 256 bytes of UTF-8 each, without control characters. */
  tags?: readonly string[] | undefined;
}

/** How long an entry is stored, on which condition, and with which tags, which replace those of the entry before. */
export interface EntryOptions extends Tags {
  /** Whole seconds. Default: the service's (300). */
  ttl?: number | undefined;
  /** Whole seconds after the TTL in which lease requests still get the value, as stale. Default: 0. */
  grace?: number | undefined;
  /** The token of a lease on the key: the value is set only if the lease has not ended. */
  lease?: string | undefined;
}

export interface SetOptions extends CallOptions, EntryOptions {}

/** With `tags`, an invalidation of one of them ends the lease. The tags of the set replace them. */
export interface LeaseOptions extends CallOptions, Tags {
  /** Whole seconds, 1 to 300, that the caller may take to produce a missing value. Default: 30. */
  lease?: number | undefined;
}

/** With `tags`, an invalidation of one of them removes the value. An invalidation while it is produced keeps it from being cached. */
export interface GetOrSetOptions<T = unknown> extends CallOptions, Tags {
  /**
   * Returns the tags of a value that was produced, where only the value shows what it is made from. They replace `tags`, which then apply
   * only while the value is produced. An invalidation of a tag that only this function returns does not keep the value from being cached, so
   * also state a broader tag in `tags`, and invalidate both.
   */
  tagsOf?: ((value: T, key: string) => readonly string[]) | undefined;
  /** For each lookup and for the set. Default: 1,000, or the client's if that is less. */
  timeoutMs?: number | undefined;
  /** Replaces the client's. */
  produceTimeoutMs?: number | undefined;
  /**
   * Whole seconds after the TTL in which the value is still returned, as stale, while one caller produces the next one, or if that fails.
   * Default: 0.
   */
  grace?: number | undefined;
  /**
   * Whole seconds, 1 to 300, after which another process produces if this one has not. A value that takes longer is returned, but not
   * cached. Default: `produceTimeoutMs` in seconds.
   */
  lease?: number | undefined;
  /**
   * Keeps the process alive until a promise settles, for example `(promise) => ctx.waitUntil(promise)`. With it, a stale value is returned at
   * once, also to the caller that produces the next one, which happens in the background.
   */
  waitUntil?: ((promise: Promise<unknown>) => void) | undefined;
}

/** A hit or a miss. */
export type Lookup<T> =
  /** `ttl`: remaining whole seconds, at least 1. */
  { found: true; key: string; value: T; ttl: number } | { found: false; key: string };

/** The right to produce a missing or stale value. */
export interface Lease {
  token: string;
  /** Whole seconds until it ends. */
  ttl: number;
}

/** A hit, a stale value or a miss, and the lease if this caller got it. */
export type LeaseLookup<T> = {
  key: string;
  /** For this caller, which shall produce the value. */
  lease?: Lease;
} & (LeaseHit<T> | LeaseMiss);

interface LeaseHit<T> {
  found: true;
  value: T;
  /** Remaining whole seconds; 0 for a stale value. */
  ttl: number;
  stale: boolean;
}

interface LeaseMiss {
  found: false;
  /** When to ask again: another caller has the lease. Absent without a lease: the service cannot store leases now. */
  retryAfterMs?: number;
}

/** An entry to set. */
export interface Entry extends EntryOptions {
  key: string;
  /** Any value that JSON can represent. */
  value: unknown;
}

/** Result of a set. `ttl`: seconds. */
export interface WasSet {
  key: string;
  ttl: number;
  /** Only in results of `setMany`: the entry was not set, because its lease had ended. `ttl` is 0. */
  leaseLost?: true;
}

/** Which keys `keys` returns. */
export interface KeysOptions extends CallOptions {
  /** A Redis glob that whole keys match. Default: `*`. */
  pattern?: string | undefined;
  /** Only keys of entries that have this tag. */
  tag?: string | undefined;
  /** Maximum number of keys in the response to one request, 1 to 1,000. Default: 1,000. */
  limit?: number | undefined;
  /** For each request. */
  timeoutMs?: number | undefined;
}

/** A key of a live entry, or of a stale one. */
export interface ListedKey {
  key: string;
  /** Remaining whole seconds; 0 for a stale value. */
  ttl: number;
  /** Whether the TTL is over and the grace is not. */
  stale: boolean;
  tags: string[];
}

/** A tenant's number of entries and their size. */
export interface Usage {
  tenant_id: string;
  /** Live entries. */
  entries: number;
  bytes: {
    /** Size of the values as stored, projected from a sample. */
    estimated: number;
    /** Entries in the sample. If it contains all entries, the size is exact. */
    sampled: number;
    /** Sampled entries that the backend has evicted. */
    missing: number;
  };
  /** The tenant's limits; null: none. Absent if the service is older than limits. */
  limits?: {
    entries: number | null;
    bytes: number | null;
    requests_per_second: number | null;
    burst: number | null;
  };
  backend: 'memory' | 'dragonfly';
}

/** The service's report about itself. */
export interface Health {
  status: 'healthy' | 'unhealthy';
  service: string;
  backend: 'memory' | 'dragonfly';
  /** Round trip to the backend. */
  latency_ms: number;
  /** Present if the backend is the service's own memory. */
  memory?: { used_bytes: number; limit_bytes?: number; evicted: number };
  /** ISO 8601, UTC. */
  timestamp: string;
}
