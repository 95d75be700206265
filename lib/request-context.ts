import { AsyncLocalStorage } from 'node:async_hooks';
import type { APIGatewayProxyEventV2, Context } from 'aws-lambda';
import type { Operation } from './routes.ts';

/**
 * The state of one request. The endpoint creates it, middlewares fill it in, and the request log, metrics, traces and events read it.
 */
export interface RequestContext {
  readonly operation: Operation;
  /** As API Gateway delivers it (payload format 2.0), with the body as text. Header names are in lower case. */
  readonly event: APIGatewayProxyEventV2;
  /** Members are undefined if the function is not invoked by Lambda. */
  readonly lambda: Partial<Context>;
  /** The same for a chain of calls between services. */
  readonly correlationId: string;
  /** Unique for each request. */
  readonly requestId: string;
  readonly startedMonotonicMs: number;
  /** When work for this request must stop. */
  readonly deadlineEpochMs: number;
  /** The caller's tenant; empty for endpoints that need none. */
  tenant: string;
  /** The parsed body, without the raw values. */
  body: unknown;
  /** JSON texts that were extracted from the body, see `lib/json/extract.ts`. */
  rawValues: readonly string[];
  /** Members of the log line that only some operations have. */
  logFields: LogFields;
  counters: Counters;
  /** Durations of the request's first 100 operations on the backend. */
  readonly backendTimesMs: number[];
  /** By how many bytes compression made the values of this request smaller. */
  compressionSavedBytes: number;
  /** Entries that the tenant's limits have evicted. */
  limitEvictions: number;
  /** What is left of the tenant's request rate; undefined if it has no limit, or could not be counted. */
  rate: { perSecond: number; burst: number; remaining: number; resetMs: number } | undefined;
}

export interface LogFields {
  /** Failures: the error code. */
  code?: string;
  /** Get, touch, lease: whether the response has a value. */
  found?: boolean;
  /** Invalidation, clear, batch delete: the live entries that were removed. */
  count?: number;
  /** Batch get. */
  hits?: number;
  misses?: number;
  /** Lease requests: keys on which the caller got a lease. */
  leases_granted?: number;
  /** Lease requests: keys without a value on which another caller has the lease. */
  lease_waits?: number;
  /** Lease requests: stale values in the response. */
  stale_reads?: number;
  /** Batch set: items whose leases had ended. */
  fills_rejected?: number;
  /** Batch set, batch delete: the number of keys in the request. List of keys: the number of keys in the page. */
  keys?: number;
  /** Gets and sets: the length of the values' JSON texts together, in bytes of UTF-8. */
  bytes?: number | undefined;
}

/** Added to the metrics of the same names. A failure counts nothing but a rejected fill. */
export interface Counters {
  hits?: number;
  misses?: number;
  sets?: number;
  deletes?: number;
  leasesGranted?: number;
  leaseWaits?: number;
  staleReads?: number;
  fillsRejected?: number;
}

const storage = new AsyncLocalStorage<RequestContext>();

/** The request that is being processed; undefined if there is none. */
export function currentRequest(): RequestContext | undefined {
  return storage.getStore();
}

/** Runs `work` for a request, which {@link currentRequest} returns during that time. */
export function runForRequest<T>(request: RequestContext, work: () => T): T {
  return storage.run(request, work);
}
