import { channel, tracingChannel } from 'node:diagnostics_channel';
import type { Context } from 'aws-lambda';
import type { HttpResponse } from '../http/envelope.ts';
import type { CacheEvent } from '../http/event.ts';
import type { Operation } from '../routes.ts';

/**
 * Where those who watch the service hang on: traces, metrics and events. Nobody in the service knows who listens, and what
 * nobody listens to costs next to nothing.
 */

/** A request, from the event to the answer. Node adds `result` to it when it is answered. */
export interface RequestTrace {
  operation: Operation;
  /**
   * Its `ids`, `tenant` and `startedAt` are there from the moment when the request has been identified, its `facts` once it
   * has an answer that tells any.
   */
  event: CacheEvent;
  context: Partial<Context> | undefined;
  result?: HttpResponse;
}

/** Every request. Its promise never rejects: a failure is an answer. */
export const requests = tracingChannel<unknown, RequestTrace>('cache-service:request');

/** One operation on the backend: all its commands, with the wait for a connection and second tries. */
export interface BackendTrace {
  /** Which command it is, such as `MGET`; undefined where nobody says. */
  command?: string | undefined;
  /** Where the backend is, or the first of a cluster's nodes; undefined while that is not known. */
  server?: () => { host: string; port: number } | undefined;
  /** Node adds what it was rejected with. */
  error?: unknown;
}

/** Every operation on the backend. */
export const backendCalls = tracingChannel<unknown, BackendTrace>('cache-service:backend');

/** A change that the backend has taken. */
export type Change =
  | { type: 'set' | 'deleted'; key: string }
  | { type: 'invalidated'; pattern: string; count: number }
  | { type: 'cleared'; count: number };

/** Every change, in whose name and in which chain of calls it was made. */
const changes = channel('cache-service:change');

/** What is published for a change. */
export interface ChangeMessage {
  tenant: string;
  correlationId: string;
  change: Change;
}

/** Tells whoever listens that the backend has taken a change. */
export function announce({ tenant, correlationId }: Omit<ChangeMessage, 'change'>, change: Change): void {
  if (changes.hasSubscribers) changes.publish({ tenant, correlationId, change } satisfies ChangeMessage);
}

/** Has `listener` told of every change from now on. It must not throw, and not take long. */
export function onChange(listener: (message: ChangeMessage) => void): void {
  changes.subscribe((message) => listener(message as ChangeMessage));
}

/** What happens between the service and its backend now and then, beside the calls. */
export type Incident =
  /** A value is stored compressed, in so many bytes less. */
  | { type: 'compressed'; savedBytes: number }
  /** There is a connection again, in the place of one that was lost or given up. */
  | { type: 'reconnected' };

const incidents = channel('cache-service:incident');

/** Tells whoever listens of an incident. */
export function report(incident: Incident): void {
  if (incidents.hasSubscribers) incidents.publish(incident);
}

/** Has `listener` told of every incident from now on. It must not throw, and not take long. */
export function onIncident(listener: (incident: Incident) => void): void {
  incidents.subscribe((message) => listener(message as Incident));
}
