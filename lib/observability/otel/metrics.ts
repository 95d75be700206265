import type { Meter } from '@opentelemetry/api';
import {
  METRIC_DB_CLIENT_OPERATION_DURATION,
  METRIC_HTTP_SERVER_REQUEST_DURATION,
} from '@opentelemetry/semantic-conventions';
import type { Counters } from '../../request-context.ts';
import type { BackendTrace, RequestTrace } from '../../tracing-channels.ts';
import { backendAttributes, httpAttributes, kindOf, OPERATION, statusOf } from './attributes.ts';

/** Upper bounds of the histograms' buckets, in seconds. Nearly all responses would be in the first bucket of the conventions. */
const BOUNDARIES = [
  0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30,
];

/** The counters that count keys. */
const COUNTERS: Partial<Record<keyof Counters, { name: string; description: string }>> = {
  hits: { name: 'cache.hits', description: 'Keys that were found' },
  misses: { name: 'cache.misses', description: 'Keys that were not found' },
  leasesGranted: { name: 'cache.leases.granted', description: 'Leases that were granted' },
  leaseWaits: { name: 'cache.leases.waits', description: 'Keys whose lease another caller had' },
  staleReads: { name: 'cache.stale_reads', description: 'Stale values that were returned' },
  fillsRejected: { name: 'cache.fills.rejected', description: 'Sets whose leases had ended' },
};

/** Creates the listeners that count and time requests and backend operations. */
export function createMetrics(meter: Meter) {
  const advice = { explicitBucketBoundaries: BOUNDARIES };
  const requestDuration = meter.createHistogram(METRIC_HTTP_SERVER_REQUEST_DURATION, {
    description: 'Duration of requests, from the event to the response',
    unit: 's',
    advice,
  });
  const backendDuration = meter.createHistogram(METRIC_DB_CLIENT_OPERATION_DURATION, {
    description: 'Duration of backend operations, with the wait for a connection and retries',
    unit: 's',
    advice,
  });
  const keyCounters = Object.entries(COUNTERS).map(([key, { name, description }]) => ({
    key: key as keyof Counters,
    counter: meter.createCounter(name, { description, unit: '{key}' }),
  }));

  const startsMonotonicMs = new WeakMap<object, number>();
  const secondsSince = (trace: object) => {
    const nowMonotonicMs = performance.now();
    return (nowMonotonicMs - (startsMonotonicMs.get(trace) ?? nowMonotonicMs)) / 1000;
  };
  return {
    start(trace: RequestTrace | BackendTrace): void {
      startsMonotonicMs.set(trace, performance.now());
    },
    endRequest(trace: RequestTrace): void {
      requestDuration.record(secondsSince(trace), httpAttributes(kindOf(trace), statusOf(trace)));
      const { operation, counters } = trace.request;
      for (const { key, counter } of keyCounters) {
        const keys = counters[key];
        if (keys) counter.add(keys, { [OPERATION]: operation });
      }
    },
    endBackend(trace: BackendTrace): void {
      backendDuration.record(secondsSince(trace), backendAttributes(trace));
    },
  };
}
