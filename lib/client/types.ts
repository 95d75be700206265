import type { Fetch, Signal } from './runtime.ts';

/** A request that is about to go out. */
export interface Outgoing {
  method: string;
  /** Absolute. */
  url: string;
  /** Names in lower case. */
  headers: Readonly<Record<string, string>>;
  /** Empty where there is none. */
  body: string;
}

/**
 * Gives the headers that let a request in. It is asked anew for each request, retries as well; what it throws the call ends
 * with.
 */
export type Authorize = (request: Outgoing) => Record<string, string> | Promise<Record<string, string>>;

export interface ClientOptions {
  /** Where the service is, with the path in front of its own if there is one: `http://localhost:8080`. */
  url: string;
  /** Whose entries these are. */
  tenant: string;
  /** For the service's log and traces. */
  userId?: string | undefined;
  /**
   * What a call may take, retries and all, in milliseconds; 10,000 unless given. `invalidate` and `clear` may
   * take 60,000 if that is more, since they take as long as there is to remove.
   */
  timeoutMs?: number | undefined;
  /** What the `produce` of a `getOrSet` may take, in milliseconds; 60,000 unless given. */
  produceTimeoutMs?: number | undefined;
  /** How often a request that failed is sent again where that is safe; 2 unless given. */
  retries?: number | undefined;
  /** The runtime's own unless given. It is called with `cache: 'no-store'` where the runtime accepts that option. */
  fetch?: Fetch | undefined;
  /** `bearer(…)`, `sigV4(…)` or one of your own. */
  authorize?: Authorize | undefined;
  /** Asked once for each call: `traceparent`, `tracestate`, `X-Correlation-ID` and what else should go along. */
  headers?: (() => Readonly<Record<string, string | undefined>>) | undefined;
  /** Called with each failure of the cache that `getOrSet` handles as a miss, and with each value that it cannot cache. */
  onError?: ((error: unknown, about: { operation: 'get' | 'set'; key: string }) => void) | undefined;
  /** Reads the JSON of whole answers; `JSON.parse` unless given. */
  parse?: ((text: string) => unknown) | undefined;
  /** Writes the JSON of a value; `JSON.stringify` unless given. */
  stringify?: ((value: unknown) => string | undefined) | undefined;
}

/** What every call takes. */
export interface CallOptions {
  /** Ends the call, which then rejects with the signal's reason. */
  signal?: Signal | undefined;
  /** In place of the client's. */
  timeoutMs?: number | undefined;
  /** Ties the call to others in logs; made up unless given. All requests of a call carry the same. */
  correlationId?: string | undefined;
  /** Before those that the client's `headers` gives. */
  headers?: Readonly<Record<string, string | undefined>> | undefined;
}

export interface SetOptions extends CallOptions {
  /** Whole seconds; the service's default (300) unless given. */
  ttl?: number | undefined;
}

export interface GetOrSetOptions extends CallOptions {
  /** Of the lookup and of the set, each, in milliseconds; 1,000, or the client's if that is less, unless given. */
  timeoutMs?: number | undefined;
  /** In place of the client's. */
  produceTimeoutMs?: number | undefined;
}

/** What is cached under a key, or that nothing is. */
export type Lookup<T> =
  /** `ttl`: whole seconds left to live, 1 or more. */
  { found: true; key: string; value: T; ttl: number } | { found: false; key: string };

/** An entry to set. */
export interface Entry {
  key: string;
  /** Whatever JSON can carry. */
  value: unknown;
  /** Whole seconds; the service's default (300) unless given. */
  ttl?: number | undefined;
}

/** What was set, and for how many seconds it lives. */
export interface WasSet {
  key: string;
  ttl: number;
}

/** What a tenant takes. */
export interface Usage {
  tenant_id: string;
  /** Live ones. */
  entries: number;
  bytes: {
    /** As the values are stored: projected from a sample. */
    estimated: number;
    /** How many entries the sample looked at; if all, it is no estimate. */
    sampled: number;
    /** How many of these were not there any more. */
    missing: number;
  };
  backend: 'memory' | 'dragonfly';
}

/** What the service says of itself. */
export interface Health {
  status: 'healthy' | 'unhealthy';
  service: string;
  backend: 'memory' | 'dragonfly';
  /** Of a round trip to the backend. */
  latency_ms: number;
  /** Where the backend is the service's own memory. */
  memory?: { used_bytes: number; limit_bytes?: number; evicted: number };
  /** ISO 8601, UTC. */
  timestamp: string;
}
