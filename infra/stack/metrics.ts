import { Duration } from 'aws-cdk-lib';
import { Metric, type MetricOptions, Unit } from 'aws-cdk-lib/aws-cloudwatch';
import { readConfig } from '../../lib/config/config.ts';
import { BackendUnavailableError, InternalError, InvalidationIncompleteError } from '../../lib/errors.ts';
import { METRICS, type MetricKey, type Unit as MetricUnit } from '../../lib/observability/metric-names.ts';
import type { DeploymentSettings } from './settings/types.ts';

/** The codes of answers with a status of 500 and above. */
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

const UNITS: Record<MetricUnit, Unit> = {
  Count: Unit.COUNT,
  Milliseconds: Unit.MILLISECONDS,
  Bytes: Unit.BYTES,
  Percent: Unit.PERCENT,
  None: Unit.NONE,
};

export interface ServiceMetricOptions extends MetricOptions {
  /** The values of those of its dimensions that are not the service. */
  by?: Record<string, string>;
}

/**
 * One of the service's own metrics, summed up each minute unless told otherwise. All else that alarms and the dashboard show
 * comes from API Gateway, Lambda and the cache.
 *
 * @throws Error when `by` is not of the metric's dimensions, for which CloudWatch would show nothing
 */
export function serviceMetric(
  { stage, service }: Pick<DeploymentSettings, 'stage' | 'service'>,
  key: MetricKey,
  { by = {}, ...options }: ServiceMetricOptions = {},
): Metric {
  const { name, unit, dimensions } = METRICS[key];
  const given: Record<string, string> = { service: readConfig(service).serviceName, ...by };
  const wanted: readonly string[] = dimensions;
  if (Object.keys(by).some((dimension) => !wanted.includes(dimension))) {
    throw new Error(`${name} is told apart by ${wanted.join(', ')}`);
  }
  const pairOf = (dimension: string): [string, string] => {
    const value = given[dimension];
    if (value === undefined) throw new Error(`${name} is told apart by ${dimension}`);
    return [dimension, value];
  };
  return new Metric({
    namespace: namespaceOf(stage),
    metricName: name,
    dimensionsMap: Object.fromEntries(wanted.map(pairOf)),
    statistic: 'Sum',
    period: MINUTE,
    unit: UNITS[unit],
    ...options,
  });
}
