import type { Meter } from '@opentelemetry/api';
import {
  METRIC_DB_CLIENT_OPERATION_DURATION,
  METRIC_HTTP_SERVER_REQUEST_DURATION,
} from '@opentelemetry/semantic-conventions';
import type { Log } from '../../log/log.ts';
import { type BackendTrace, backendTraces, type RequestTrace, requestTraces } from '../tracing-channels.ts';
import { callAttributes } from './backend-facts.ts';
import { guarded } from './guarded.ts';
import { OPERATION } from './names.ts';
import { httpAttributes, kindOf, statusOf } from './request-facts.ts';

/**
 * Upper bounds, in seconds, of what durations are sorted into. Those that the conventions advise begin where nearly all of a
 * cache's answers have come.
 */
const BOUNDARIES = [
  0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30,
];

/** Counts and times requests and backend calls. Tenants are no dimension: with each, every metric would become one more. */
export function measureRequests(meter: Meter, log: Log): void {
  const advice = { explicitBucketBoundaries: BOUNDARIES };
  const requestDuration = meter.createHistogram(METRIC_HTTP_SERVER_REQUEST_DURATION, {
    description: 'Duration of requestTraces, from the event to the answer',
    unit: 's',
    advice,
  });
  const callDuration = meter.createHistogram(METRIC_DB_CLIENT_OPERATION_DURATION, {
    description: 'Duration of backend calls, with the wait for a connection and second tries',
    unit: 's',
    advice,
  });
  const hits = meter.createCounter('cache.hits', { description: 'Keys that were found', unit: '{key}' });
  const misses = meter.createCounter('cache.misses', { description: 'Keys that were not', unit: '{key}' });

  const begun = new WeakMap<object, number>();
  const begin = guarded(log, (message: unknown) => {
    begun.set(message as object, performance.now());
  });
  const secondsSince = (message: object) =>
    (performance.now() - (begun.get(message) ?? performance.now())) / 1000;
  const endRequest = guarded(log, (message: unknown) => {
    const trace = message as RequestTrace;
    requestDuration.record(secondsSince(trace), httpAttributes(kindOf(trace), statusOf(trace)));
    const { hits: hit, misses: missed } = trace.request.counters;
    const operation = { [OPERATION]: trace.request.operation };
    if (hit) hits.add(hit, operation);
    if (missed) misses.add(missed, operation);
  });
  const endCall = guarded(log, (message: unknown) => {
    const call = message as BackendTrace;
    callDuration.record(secondsSince(call), callAttributes(call));
  });

  requestTraces.start.subscribe(begin);
  requestTraces.asyncEnd.subscribe(endRequest);
  backendTraces.start.subscribe(begin);
  backendTraces.asyncEnd.subscribe(endCall);
}
