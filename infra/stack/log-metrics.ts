import { Unit } from 'aws-cdk-lib/aws-cloudwatch';
import { FilterPattern, MetricFilter } from 'aws-cdk-lib/aws-logs';
import { Construct } from 'constructs';
import { METRICS } from '../../lib/observability/metric-names.ts';
import type { CacheApi } from './api.ts';
import { namespaceOf } from './metrics.ts';
import type { DeploymentSettings } from './settings/types.ts';

export interface LogMetricsProps {
  api: CacheApi;
  settings: Pick<DeploymentSettings, 'stage'>;
}

// API Gateway writes every field as text.
const FAILED = FilterPattern.any(
  FilterPattern.stringValue('$.status', '=', '4*'),
  FilterPattern.stringValue('$.status', '=', '5*'),
);

/** Counts failures in the access log, which includes those that API Gateway answers itself. */
export class LogMetrics extends Construct {
  constructor(scope: Construct, id: string, { api, settings }: LogMetricsProps) {
    super(scope, id);
    const { name, dimensions } = METRICS.errors;
    new MetricFilter(this, 'Errors', {
      logGroup: api.accessLog,
      filterPattern: FAILED,
      metricNamespace: namespaceOf(settings.stage),
      metricName: name,
      metricValue: '1',
      unit: Unit.COUNT,
      dimensions: Object.fromEntries(dimensions.map((dimension) => [dimension, `$.${dimension}`])),
    });
  }
}
