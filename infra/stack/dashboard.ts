import { Duration, Stack } from 'aws-cdk-lib';
import {
  type Alarm,
  AlarmStatusWidget,
  Dashboard,
  GraphWidget,
  type GraphWidgetProps,
  type IMetric,
  type IWidget,
  MathExpression,
  PeriodOverride,
  SearchExpression,
  TextWidget,
} from 'aws-cdk-lib/aws-cloudwatch';
import type { CfnFunction } from 'aws-cdk-lib/aws-lambda';
import { Construct } from 'constructs';
import { METRICS, type MetricKey } from '../../lib/observability/metric-names.ts';
import { type Route, routes } from '../../lib/routes.ts';
import { operations } from '../build/functions.ts';
import type { CacheApi } from './api.ts';
import type { CacheEndpoint } from './backend/index.ts';
import { dashboardText } from './dashboard-text.ts';
import type { CacheFunctions } from './functions.ts';
import { FAULT_CODES, MINUTE, namespaceOf, serviceMetric } from './metrics.ts';
import type { DeploymentSettings } from './settings/types.ts';

export interface CacheDashboardProps {
  api: CacheApi;
  functions: CacheFunctions;
  endpoint: Pick<CacheEndpoint, 'metrics'>;
  alarms: readonly Alarm[];
  settings: DeploymentSettings;
}

/** The width of a dashboard, in its own units. */
const FULL_WIDTH = 24;
const THIRD = { width: FULL_WIDTH / 3, height: 6 };
const HOUR = Duration.hours(1);
/** What has metrics of its own: functions without a cache write none. */
const timed = routes.filter((route: Route) => route.backend !== false);
const PERCENT = { label: '%', min: 0, max: 100, showUnits: false };

/** What a person on call looks at first: one page, from what callers see, over why, to what it costs. */
export class CacheDashboard extends Construct {
  constructor(scope: Construct, id: string, props: CacheDashboardProps) {
    super(scope, id);
    const dashboard = new Dashboard(this, 'Dashboard', {
      dashboardName: Stack.of(this).stackName,
      defaultInterval: Duration.hours(3),
      // Each graph keeps its period, which its title names, however long a time is shown.
      periodOverride: PeriodOverride.INHERIT,
    });
    dashboard.addWidgets(
      new TextWidget({ markdown: dashboardText(props.settings), width: 16, height: 7 }),
      new AlarmStatusWidget({ title: 'Alarms', alarms: [...props.alarms], width: 8, height: 7 }),
    );
    const rows = [traffic(props), latency(props), changes(props), errors(props), cache(props), cost(props)];
    for (const row of rows) {
      if (row.length > 0) dashboard.addWidgets(...row);
    }
  }
}

/** A graph from zero on, of a third of the width; `unit` is the label of its axis. */
function graph(title: string, unit: string, left: IMetric[], options: GraphWidgetProps = {}): IWidget {
  return new GraphWidget({
    title,
    left,
    leftYAxis: { label: unit, min: 0, showUnits: false },
    ...THIRD,
    ...options,
  });
}

function traffic({ api, functions, settings }: CacheDashboardProps): IWidget[] {
  const hits = serviceMetric(settings, 'hits');
  const misses = serviceMetric(settings, 'misses');
  const hitRate = new MathExpression({
    label: 'gets that found their key',
    expression: '100 * FILL(hits, 0) / (FILL(hits, 0) + FILL(misses, 0))',
    usingMetrics: { hits, misses },
    period: MINUTE,
  });
  return [
    graph(
      'Requests by operation, a minute',
      'requests',
      operations.map((operation) =>
        functions.of(operation).metricInvocations({ label: operation, statistic: 'Sum', period: MINUTE }),
      ),
      { stacked: true },
    ),
    graph('Hit rate, a minute', '%', [hitRate], { leftYAxis: PERCENT }),
    graph('Latency of all answers, as callers see it', 'ms', [
      api.stage.metricLatency({ label: 'p50', statistic: 'p50', period: MINUTE }),
      api.stage.metricLatency({ label: 'p99', statistic: 'p99', period: MINUTE }),
    ]),
  ];
}

function latency({ settings }: CacheDashboardProps): IWidget[] {
  const duration = (statistic: string) =>
    timed.map(({ name: operation }) =>
      serviceMetric(settings, 'latency', { label: operation, statistic, by: { operation } }),
    );
  const backend = ['p50', 'p99'].map((statistic) =>
    serviceMetric(settings, 'backendTime', { label: statistic, statistic }),
  );
  return [
    graph('Time in the function, p50', 'ms', duration('p50')),
    graph('Time in the function, p99', 'ms', duration('p99')),
    graph('Time of a backend call, and reconnects a minute', 'ms', backend, {
      right: [serviceMetric(settings, 'reconnects', { label: 'reconnects' })],
      rightYAxis: { label: 'reconnects', min: 0, showUnits: false },
    }),
  ];
}

/** What callers change, how large it is, and how many sandboxes are at it. */
function changes({ functions, settings }: CacheDashboardProps): IWidget[] {
  const counted = ([key, label]: [MetricKey, string]) => serviceMetric(settings, key, { label });
  const keys: [MetricKey, string][] = [
    ['sets', 'set'],
    ['deletes', 'deleted'],
    ['entriesInvalidated', 'invalidated or cleared'],
  ];
  const sizes = routes
    .filter((route: Route) => route.values)
    .map(({ name }) => serviceMetric(settings, 'valueBytes', { label: name, by: { operation: name } }));
  const concurrent = operations.map((operation) =>
    functions
      .of(operation)
      .metric('ConcurrentExecutions', { label: operation, statistic: 'Maximum', period: MINUTE }),
  );
  return [
    graph('Keys changed, a minute', 'keys', keys.map(counted)),
    graph('Values got and set, and saved by compression, a minute', 'bytes', [
      ...sizes,
      counted(['compressionSaved', 'saved']),
    ]),
    graph('Functions at work at once', 'sandboxes', concurrent, { stacked: true }),
  ];
}

function errors({ functions, settings }: CacheDashboardProps): IWidget[] {
  // The statuses need not be known here: whatever has been counted is drawn.
  const byStatus = new SearchExpression({
    expression: `SEARCH('{"${namespaceOf(settings.stage)}",status} MetricName="${METRICS.errors.name}"', 'Sum', 60)`,
    // biome-ignore lint/suspicious/noTemplateCurlyInString: CloudWatch puts the status there.
    label: "${PROP('Dim.status')}",
    period: MINUTE,
  });
  const faults = FAULT_CODES.map((code) =>
    serviceMetric(settings, 'failures', { label: code, by: { code } }),
  );
  const lambda = (metricName: 'Errors' | 'Throttles', what: string) =>
    operations.map((operation) =>
      functions
        .of(operation)
        .metric(metricName, { label: `${operation} ${what}`, statistic: 'Sum', period: MINUTE }),
    );
  return [
    graph('Answers by status, 400 and above, a minute', 'answers', [byStatus], { stacked: true }),
    graph('Answers of 500 and above by code, a minute', 'answers', faults, { stacked: true }),
    graph('Invocations without an answer, a minute', 'invocations', [
      ...lambda('Errors', 'failed'),
      ...lambda('Throttles', 'throttled'),
    ]),
  ];
}

function cache({ endpoint }: CacheDashboardProps): IWidget[] {
  const { memoryUsagePercent, cpuPercent, evictions, connections, throttles } = endpoint.metrics;
  return [
    ...graphOf('Cache: memory and processor used', '%', [memoryUsagePercent, cpuPercent], {
      leftYAxis: PERCENT,
    }),
    ...graphOf('Cache: evictions and commands refused, a minute', 'count', [evictions, throttles]),
    ...graphOf('Cache: connections', 'connections', [connections]),
  ];
}

/** What the bill is made of, so that it can be held against the prices. */
function cost({ api, functions, endpoint }: CacheDashboardProps): IWidget[] {
  const { processingUnits, bytesStored } = endpoint.metrics;
  const bytes = api.stage.metricDataProcessed({ label: 'bytes processed', statistic: 'Sum', period: HOUR });
  return [
    graph(
      'Cost: requests and bytes through the API, an hour',
      'requests',
      [api.stage.metricCount({ label: 'requests', period: HOUR })],
      { right: [bytes], rightYAxis: { label: 'bytes', min: 0, showUnits: false } },
    ),
    graph('Cost: time of functions, an hour', 'GB-seconds', [gbSeconds(functions)]),
    ...graphOf('Cost: processing units of the cache, a minute', 'ECPU', [processingUnits], {
      right: present(bytesStored),
      rightYAxis: { label: 'bytes', min: 0, showUnits: false },
    }),
  ];
}

/** The time that handlers took, each function's times its memory: what Lambda charges for, but for the starts. */
function gbSeconds(functions: CacheFunctions): IMetric {
  const parts = operations.map((operation, index) => {
    const billed = functions.of(operation);
    const { memorySize = 128 } = billed.node.defaultChild as CfnFunction;
    const part = new MathExpression({
      expression: `d${index} * ${memorySize / 1024 / 1000}`,
      usingMetrics: { [`d${index}`]: billed.metricDuration({ statistic: 'Sum', period: HOUR }) },
      period: HOUR,
    });
    return [`m${index}`, part] as const;
  });
  return new MathExpression({
    label: 'GB-seconds',
    expression: `SUM([${parts.map(([name]) => name).join(', ')}])`,
    usingMetrics: Object.fromEntries(parts),
    period: HOUR,
  });
}

/** A graph of what there is of some metrics; none if there is none. */
function graphOf(
  title: string,
  unit: string,
  metrics: (IMetric | undefined)[],
  options: GraphWidgetProps = {},
): IWidget[] {
  const left = present(...metrics);
  return left.length > 0 ? [graph(title, unit, left, options)] : [];
}

function present(...metrics: (IMetric | undefined)[]): IMetric[] {
  return metrics.filter((metric) => metric !== undefined);
}
