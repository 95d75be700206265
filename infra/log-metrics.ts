import { Unit } from 'aws-cdk-lib/aws-cloudwatch';
import { FilterPattern, type IFilterPattern, type ILogGroup, MetricFilter } from 'aws-cdk-lib/aws-logs';
import { Construct } from 'constructs';
import type { CacheApi } from './api.ts';
import { operations } from './build.ts';
import type { CacheFunctions } from './functions.ts';
import { DIMENSIONS, FAULT_CODES, LOG_METRICS, type LogMetric, namespaceOf } from './metrics.ts';
import type { DeploymentSettings } from './settings.ts';

export interface LogMetricsProps {
  api: CacheApi;
  functions: CacheFunctions;
  settings: Pick<DeploymentSettings, 'stage'>;
}

const message = (text: string) => FilterPattern.stringValue('$.message', '=', text);
const found = (yes: boolean) =>
  FilterPattern.all(message('request'), FilterPattern.booleanValue('$.found', yes));

const FAULT = FilterPattern.all(
  FilterPattern.stringValue('$.level', '=', 'ERROR'),
  FilterPattern.any(...FAULT_CODES.map(message)),
);

// API Gateway writes every field as text.
const FAILED = FilterPattern.any(
  FilterPattern.stringValue('$.status', '=', '4*'),
  FilterPattern.stringValue('$.status', '=', '5*'),
);

/** Counts lines of the logs, which costs nothing but the metrics: the functions do nothing for it and wait for nothing. */
export class LogMetrics extends Construct {
  readonly #namespace: string;

  constructor(scope: Construct, id: string, { api, functions, settings }: LogMetricsProps) {
    super(scope, id);
    this.#namespace = namespaceOf(settings.stage);
    const get = functions.of('get').logGroup;
    this.#count('Hits', get, 'hits', found(true));
    this.#count('Misses', get, 'misses', found(false));
    for (const operation of operations) {
      this.#count(`Faults-${operation}`, functions.of(operation).logGroup, 'faults', FAULT);
    }
    this.#count('Errors', api.accessLog, 'errors', FAILED);
  }

  #count(id: string, logGroup: ILogGroup, metric: LogMetric, filterPattern: IFilterPattern): void {
    const dimensions = metric === 'faults' || metric === 'errors' ? DIMENSIONS[metric] : undefined;
    new MetricFilter(this, id, {
      logGroup,
      filterPattern,
      metricNamespace: this.#namespace,
      metricName: LOG_METRICS[metric],
      metricValue: '1',
      unit: Unit.COUNT,
      ...(dimensions && { dimensions }),
    });
  }
}
