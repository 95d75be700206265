import { Duration } from 'aws-cdk-lib';
import { Metric, type MetricOptions, Unit } from 'aws-cdk-lib/aws-cloudwatch';
import { FilterPattern, type IFilterPattern, type ILogGroup, MetricFilter } from 'aws-cdk-lib/aws-logs';
import type { Construct } from 'constructs';
import { readConfig } from '../../lib/config/config.ts';
import { BackendUnavailableError, InternalError, InvalidationIncompleteError } from '../../lib/errors.ts';
import { METRICS, type MetricKey, type Unit as MetricUnit } from '../../lib/observability/metric-names.ts';
import type { DeploymentSettings } from './settings/types.ts';

/** Error codes of responses with a status of 500 and above. */
export const FAULT_CODES = [
  new BackendUnavailableError(),
  new InvalidationIncompleteError(0),
  new InternalError(undefined),
].map(({ code }) => code);

/** The shortest period that CloudWatch stores for standard metrics. */
export const MINUTE = Duration.minutes(1);

/** CloudWatch namespace of a stack's metrics. */
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

/** Whether tenants may have limits, so that there are metrics of them. */
export function hasTenantLimits({ service }: Pick<DeploymentSettings, 'service'>): boolean {
  return readConfig(service).tenantLimits !== undefined;
}

export interface ServiceMetricOptions extends MetricOptions {
  /** Values of the metric's dimensions other than `service`. */
  by?: Record<string, string>;
}

/**
 * A metric that the service publishes. Default: sum per minute.
 *
 * @throws Error if `by` does not match the metric's dimensions: CloudWatch would show no data
 */
export function serviceMetric(
  { stage, service }: Pick<DeploymentSettings, 'stage' | 'service'>,
  key: MetricKey,
  { by = {}, ...options }: ServiceMetricOptions = {},
): Metric {
  const { name, unit, dimensions } = METRICS[key];
  const values: Record<string, string> = { service: readConfig(service).serviceName, ...by };
  const names: readonly string[] = dimensions;
  if (Object.keys(by).some((dimension) => !names.includes(dimension))) {
    throw new Error(`${name} has only the dimensions ${names.join(', ')}`);
  }
  const pairOf = (dimension: string): [string, string] => {
    const value = values[dimension];
    if (value === undefined) throw new Error(`${name} needs a value for the dimension ${dimension}`);
    return [dimension, value];
  };
  return new Metric({
    namespace: namespaceOf(stage),
    metricName: name,
    dimensionsMap: Object.fromEntries(names.map(pairOf)),
    statistic: 'Sum',
    period: MINUTE,
    unit: UNITS[unit],
    ...options,
  });
}

/**
 * Counts failures in the access log: by status, which includes those that API Gateway answers itself, and requests that a function did
 * not answer.
 */
export function countFailures(scope: Construct, accessLog: ILogGroup, stage: string): void {
  const count = (id: string, key: MetricKey, filterPattern: IFilterPattern) => {
    const { name, dimensions } = METRICS[key];
    new MetricFilter(scope, id, {
      logGroup: accessLog,
      filterPattern,
      metricNamespace: namespaceOf(stage),
      metricName: name,
      metricValue: '1',
      unit: Unit.COUNT,
      ...(dimensions.length > 0 && {
        dimensions: Object.fromEntries(dimensions.map((dimension) => [dimension, `$.${dimension}`])),
      }),
    });
  };
  // API Gateway writes every field as text.
  const failed = FilterPattern.any(
    FilterPattern.stringValue('$.status', '=', '4*'),
    FilterPattern.stringValue('$.status', '=', '5*'),
  );
  const unanswered = FilterPattern.stringValue('$.function_error', '!=', '-');
  count('Errors', 'errors', failed);
  count('FunctionErrors', 'functionErrors', unanswered);
}
