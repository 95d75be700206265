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
import { TenantRateLimitedError } from '../../lib/errors.ts';
import { METRICS, type MetricKey } from '../../lib/observability/metric-names.ts';
import { type Route, routes } from '../../lib/routes.ts';
import { operations } from '../build/functions.ts';
import type { CacheApi } from './api.ts';
import type { CacheEndpoint } from './backend/index.ts';
import type { CacheFunctions } from './functions.ts';
import { FAULT_CODES, hasTenantLimits, MINUTE, namespaceOf, serviceMetric } from './metrics.ts';
import type { DeploymentSettings } from './settings/types.ts';

export interface CacheDashboardProps {
  api: CacheApi;
  functions: CacheFunctions;
  endpoint: Pick<CacheEndpoint, 'metrics'>;
  alarms: readonly Alarm[];
  settings: DeploymentSettings;
}

/** Width of a dashboard in grid units. */
const FULL_WIDTH = 24;
const THIRD = { width: FULL_WIDTH / 3, height: 6 };
const HOUR = Duration.hours(1);
/** Functions without a backend publish no metrics. */
const routesWithMetrics = routes.filter((route: Route) => route.backend !== false);
const PERCENT = { label: '%', min: 0, max: 100, showUnits: false };

/** One page for people on call. From top to bottom: what callers see, the causes, the costs. */
export class CacheDashboard extends Construct {
  constructor(scope: Construct, id: string, props: CacheDashboardProps) {
    super(scope, id);
    const dashboard = new Dashboard(this, 'Dashboard', {
      dashboardName: Stack.of(this).stackName,
      defaultInterval: Duration.hours(3),
      // Each graph keeps the period that its title states, whatever time range is shown.
      periodOverride: PeriodOverride.INHERIT,
    });
    dashboard.addWidgets(
      new TextWidget({ markdown: dashboardText(props.settings), width: 16, height: 7 }),
      new AlarmStatusWidget({ title: 'Alarms', alarms: [...props.alarms], width: 8, height: 7 }),
    );
    const rows = [
      traffic(props),
      latency(props),
      changes(props),
      errors(props),
      tenantLimits(props),
      cache(props),
      cost(props),
    ];
    for (const row of rows) {
      const widgets = row.filter((widget) => widget !== undefined);
      if (widgets.length > 0) dashboard.addWidgets(...widgets);
    }
  }
}

/** Markdown at the top of the dashboard: normal values, and where to look if values are not normal. */
function dashboardText({ stage, backend, throttle, sweepThrottle }: DeploymentSettings): string {
  return [
    `# cache-service, stage ${stage}, backend ${backend.kind}`,
    '**Normal:**',
    '- get, set and delete take a few milliseconds in the function, and at most a second if they wait for the cache. Latency for callers includes cold starts.',
    '- invalidate and clear take longer for larger tenants, at most 29 s. Many of them raise the p99 of all responses.',
    '- The hit rate is flat from hour to hour. It falls after a deployment of the cache, after a clear, and when memory is short.',
    '- No 5xx responses, no invocation without a response. 400, 401, 403 and 404 are mistakes of callers.',
    `- 429: more than ${throttle.rate} requests a second to one route, or ${sweepThrottle.rate} for invalidate and clear.`,
    '- Memory may stay near its limit: the cache evicts the least used entries. It is short if evictions rise and the hit rate falls.',
    '',
    '**Not normal:** the description of each alarm says what to look at first. Runbook: docs/operations.md#alarms',
  ].join('\n');
}

/** Widgets beside each other. Undefined: nothing to show. */
type Row = (IWidget | undefined)[];

/**
 * A graph of a third of the width, whose axis starts at 0.
 *
 * @param unit label of the axis
 * @returns undefined if none of the metrics exists
 */
function graph(
  title: string,
  unit: string,
  metrics: (IMetric | undefined)[],
  options: GraphWidgetProps = {},
): IWidget | undefined {
  const left = metrics.filter((metric) => metric !== undefined);
  if (left.length === 0) return undefined;
  const leftYAxis = { label: unit, min: 0, showUnits: false };
  return new GraphWidget({ title, left, leftYAxis, ...THIRD, ...options });
}

/** A metric of Lambda for each operation's function, labelled with the operation. */
function byOperation(functions: CacheFunctions, name: string, statistic: string, suffix = ''): IMetric[] {
  return operations.map((operation) =>
    functions.of(operation).metric(name, { label: `${operation}${suffix}`, statistic, period: MINUTE }),
  );
}

function traffic({ api, functions, settings }: CacheDashboardProps): Row {
  const hits = serviceMetric(settings, 'hits');
  const misses = serviceMetric(settings, 'misses');
  const hitRate = new MathExpression({
    label: 'hit rate',
    expression: '100 * FILL(hits, 0) / (FILL(hits, 0) + FILL(misses, 0))',
    usingMetrics: { hits, misses },
    period: MINUTE,
  });
  const leases = (
    [
      ['leasesGranted', 'leases granted'],
      ['leaseWaits', 'waits for a lease'],
      ['staleReads', 'stale reads'],
      ['fillsRejected', 'fills rejected'],
    ] as const
  ).map(([key, label]) => serviceMetric(settings, key, { label }));
  return [
    graph('Requests by operation, a minute', 'requests', byOperation(functions, 'Invocations', 'Sum'), {
      stacked: true,
    }),
    graph('Hit rate, and leases, a minute', '%', [hitRate], {
      leftYAxis: PERCENT,
      right: leases,
      rightYAxis: { label: 'keys', min: 0, showUnits: false },
    }),
    graph('Latency of all responses, as callers see it', 'ms', [
      api.stage.metricLatency({ label: 'p50', statistic: 'p50', period: MINUTE }),
      api.stage.metricLatency({ label: 'p99', statistic: 'p99', period: MINUTE }),
    ]),
  ];
}

function latency({ settings }: CacheDashboardProps): Row {
  const duration = (statistic: string) =>
    routesWithMetrics.map(({ name: operation }) =>
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

/** Changed keys, sizes of values, and concurrency. */
function changes({ functions, settings }: CacheDashboardProps): Row {
  const count = ([key, label]: [MetricKey, string]) => serviceMetric(settings, key, { label });
  const keys: [MetricKey, string][] = [
    ['sets', 'set'],
    ['deletes', 'deleted'],
    ['entriesInvalidated', 'invalidated or cleared'],
  ];
  const sizes = routes
    .filter((route: Route) => route.values)
    .map(({ name }) => serviceMetric(settings, 'valueBytes', { label: name, by: { operation: name } }));
  const concurrent = byOperation(functions, 'ConcurrentExecutions', 'Maximum');
  return [
    graph('Keys changed, a minute', 'keys', keys.map(count)),
    graph('Bytes of values read, set, and saved by compression, a minute', 'bytes', [
      ...sizes,
      count(['compressionSaved', 'saved']),
    ]),
    graph('Concurrent executions', 'sandboxes', concurrent, { stacked: true }),
  ];
}

function errors({ functions, settings }: CacheDashboardProps): Row {
  // Finds all statuses that occurred.
  const byStatus = new SearchExpression({
    expression: `SEARCH('{"${namespaceOf(settings.stage)}",status} MetricName="${METRICS.errors.name}"', 'Sum', 60)`,
    // biome-ignore lint/suspicious/noTemplateCurlyInString: CloudWatch replaces it by the status.
    label: "${PROP('Dim.status')}",
    period: MINUTE,
  });
  const faults = FAULT_CODES.map((code) =>
    serviceMetric(settings, 'failures', { label: code, by: { code } }),
  );
  return [
    graph('Responses of 400 and above by status, a minute', 'responses', [byStatus], { stacked: true }),
    graph('Responses of 500 and above by code, a minute', 'responses', faults, { stacked: true }),
    graph('Invocations without a response, a minute', 'invocations', [
      ...byOperation(functions, 'Errors', 'Sum', ' failed'),
      ...byOperation(functions, 'Throttles', 'Sum', ' throttled'),
    ]),
  ];
}

/** What the limits of tenants have evicted and rejected. Empty without limits. */
function tenantLimits({ settings }: CacheDashboardProps): Row {
  if (!hasTenantLimits(settings)) return [];
  const { code } = new TenantRateLimitedError(0);
  const evicted = serviceMetric(settings, 'limitEvictions', { label: 'evicted' });
  const rejected = serviceMetric(settings, 'failures', { label: code, by: { code } });
  return [
    graph('Limits of tenants: entries evicted, a minute', 'entries', [evicted]),
    graph('Limits of tenants: requests rejected, a minute', 'requests', [rejected]),
  ];
}

function cache({ endpoint }: CacheDashboardProps): Row {
  const { memoryUsagePercent, cpuPercent, evictions, connections, throttles } = endpoint.metrics;
  return [
    graph('Cache: memory and CPU used', '%', [memoryUsagePercent, cpuPercent], {
      leftYAxis: PERCENT,
    }),
    graph('Cache: evictions and throttled commands, a minute', 'count', [evictions, throttles]),
    graph('Cache: connections', 'connections', [connections]),
  ];
}

/** Quantities that are billed. */
function cost({ api, functions, endpoint }: CacheDashboardProps): Row {
  const { processingUnits, bytesStored } = endpoint.metrics;
  const bytes = api.stage.metricDataProcessed({ label: 'bytes processed', statistic: 'Sum', period: HOUR });
  return [
    graph(
      'Cost: requests and bytes through the API, an hour',
      'requests',
      [api.stage.metricCount({ label: 'requests', period: HOUR })],
      { right: [bytes], rightYAxis: { label: 'bytes', min: 0, showUnits: false } },
    ),
    graph('Cost: duration of functions, an hour', 'GB-seconds', [gbSeconds(functions)]),
    graph('Cost: processing units of the cache, a minute', 'ECPU', [processingUnits], {
      right: bytesStored && [bytesStored],
      rightYAxis: { label: 'bytes', min: 0, showUnits: false },
    }),
  ];
}

/** Duration times memory, summed over all functions. Lambda bills this, plus the time of cold starts. */
function gbSeconds(functions: CacheFunctions): IMetric {
  const parts = operations.map((operation, index) => {
    const lambda = functions.of(operation);
    const { memorySize = 128 } = lambda.node.defaultChild as CfnFunction;
    const part = new MathExpression({
      expression: `d${index} * ${memorySize / 1024 / 1000}`,
      usingMetrics: { [`d${index}`]: lambda.metricDuration({ statistic: 'Sum', period: HOUR }) },
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
