import { tracingChannel } from 'node:diagnostics_channel';
import type { RequestContext } from './request-context.ts';

/**
 * Where OpenTelemetry subscribes, and nothing else does. Without subscribers a call costs next to nothing.
 */

/** A request, from its event to its response. */
export interface RequestTrace {
  request: RequestContext;
  /** Added by Node when the request is answered. */
  result?: { statusCode?: number | undefined };
}

/** Every request. Its promise never rejects: a failure is a response. */
export const requestTraces = tracingChannel<unknown, RequestTrace>('cache-service:request');

/** One operation on the backend: all its commands, with the wait for a connection and retries. */
export interface BackendTrace {
  /** Which command it is, such as `MGET`. */
  command: string;
  /** Where the backend is, or the first of a cluster's nodes; undefined while that is not known. */
  server: () => { host: string; port: number } | undefined;
  /** Added by Node: what the operation was rejected with. */
  error?: unknown;
}

/** Every operation on the backend. */
export const backendTraces = tracingChannel<unknown, BackendTrace>('cache-service:backend');
