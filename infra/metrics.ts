import { Duration } from 'aws-cdk-lib';
import { Metric, type MetricOptions, Unit } from 'aws-cdk-lib/aws-cloudwatch';
import { BackendUnavailableError, InternalError, InvalidationIncompleteError } from '../lib/errors.ts';

/**
 * Every metric that this stack makes itself, from lines of its logs. All else that alarms and the dashboard show comes from
 * API Gateway, Lambda and the cache.
 */
export const LOG_METRICS = {
  /** Gets that found their key. */
  hits: 'Hits',
  /** Gets that did not. */
  misses: 'Misses',
  /** Requests that failed and were not the caller's fault, by `code`. */
  faults: 'Faults',
  /** Answers with a status of 400 and above, the gateway's own among them, by `status`. */
  errors: 'Errors',
} as const;

export type LogMetric = keyof typeof LOG_METRICS;

/** The dimensions by which metrics are told apart, each with the field of the log line that its value comes from. */
export const DIMENSIONS = { faults: { code: '$.message' }, errors: { status: '$.status' } } as const;

/** The codes of answers with a status of 500 and above. The functions log each as a message at level ERROR. */
export const FAULT_CODES = [
  new BackendUnavailableError(),
  new InvalidationIncompleteError(0),
  new InternalError(undefined),
].map(({ code }) => code);

/** The shortest period that CloudWatch keeps these for: whoever is on call wants to see the last minute. */
export const MINUTE = Duration.minutes(1);

/** Where the metrics of a stack are. */
export function namespaceOf(stage: string): string {
  return `CacheService/${stage}`;
}

/** One of the metrics above, counted a minute. */
export function logMetric(stage: string, name: LogMetric, options: MetricOptions = {}): Metric {
  return new Metric({
    namespace: namespaceOf(stage),
    metricName: LOG_METRICS[name],
    statistic: 'Sum',
    period: MINUTE,
    unit: Unit.COUNT,
    ...options,
  });
}
