import { tracingChannel } from 'node:diagnostics_channel';
import type { RequestContext } from './request-context.ts';

/** Channels for tracing. Only OpenTelemetry subscribes to them, and only if it is enabled. */

/** A request, from its event to its response. */
export interface RequestTrace {
  request: RequestContext;
  /** The response, added by Node. */
  result?: { statusCode?: number | undefined };
}

/** Traces every request. The promise never rejects: failures are responses too. */
export const requestTraces = tracingChannel<unknown, RequestTrace>('cache-service:request');

/** One operation on the backend: its commands, the wait for a connection, and retries. */
export interface BackendTrace {
  /** The name of the command, such as `MGET`. */
  command: string;
  /** The backend's address, or that of a cluster's first node; undefined while it is not known. */
  server: () => { host: string; port: number } | undefined;
  /** The error of a failed operation, added by Node. */
  error?: unknown;
}

/** Traces every operation on the backend. */
export const backendTraces = tracingChannel<unknown, BackendTrace>('cache-service:backend');
