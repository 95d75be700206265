import { AsyncLocalStorage } from 'node:async_hooks';
import type { APIGatewayProxyEventV2, Context } from 'aws-lambda';
import type { Operation } from './routes.ts';

/**
 * One record for each request. The endpoint creates it, the middlewares fill it in, and the request log, the metrics, the
 * traces and the events read it.
 */
export interface RequestContext {
  readonly operation: Operation;
  /** As API Gateway delivers it (payload format 2.0), with the body as text. Header names are in lower case. */
  readonly event: APIGatewayProxyEventV2;
  /** Undefined members: a function may be invoked by something else than Lambda. */
  readonly lambda: Partial<Context>;
  /** One for a chain of calls, passed on from service to service. */
  readonly correlationId: string;
  /** One for each request. */
  readonly requestId: string;
  readonly startedMonotonicMs: number;
  /** When work for this request must have stopped. */
  readonly deadlineEpochMs: number;
  /** The tenant in whose name the request is made; empty for endpoints that need none. */
  tenant: string;
  /** The parsed body, without the raw values. */
  body: unknown;
  /** JSON texts that were extracted from the body before it was parsed, see `lib/json/extract.ts`. */
  rawValues: readonly string[];
  /** What the log line shows of this request beside what it shows of every request. */
  logFields: LogFields;
  counters: Counters;
  /** Durations of the backend calls made for this request, in milliseconds; the first 100 of them. */
  readonly backendTimesMs: number[];
  /** Bytes that compression saved in the values that this request set. */
  compressionSavedBytes: number;
}

export interface LogFields {
  /** Of a failure: its code. */
  code?: string;
  /** Of a get: whether it was a hit. */
  found?: boolean;
  /** Of an invalidation, a clear or a batch of deletes: the live entries that were removed. */
  count?: number;
  /** Of a batch of gets. */
  hits?: number;
  misses?: number;
  /** Of a batch of sets or deletes: the number of keys it names. */
  keys?: number;
  /** Of gets and sets: the JSON text of the values, those of a batch together, in bytes of UTF-8. */
  bytes?: number | undefined;
}

/** What a successful request adds to the metrics of the same names. */
export interface Counters {
  hits?: number;
  misses?: number;
  sets?: number;
  deletes?: number;
}

const storage = new AsyncLocalStorage<RequestContext>();

/** The request that the running code works for; undefined where it works for none. */
export function currentRequest(): RequestContext | undefined {
  return storage.getStore();
}

/** Runs `work` for a request: {@link currentRequest} returns it in all that `work` calls and awaits. */
export function runForRequest<T>(request: RequestContext, work: () => T): T {
  return storage.run(request, work);
}
