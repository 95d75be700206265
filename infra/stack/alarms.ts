import { Duration, Stack } from 'aws-cdk-lib';
import {
  Alarm,
  ComparisonOperator,
  type IMetric,
  MathExpression,
  Stats,
  TreatMissingData,
} from 'aws-cdk-lib/aws-cloudwatch';
import { SnsAction } from 'aws-cdk-lib/aws-cloudwatch-actions';
import { type ITopic, Topic } from 'aws-cdk-lib/aws-sns';
import { Construct } from 'constructs';
import { BackendUnavailableError, InternalError, TenantRateLimitedError } from '../../lib/errors.ts';
import { createAlarmTopic } from './alarm-topic.ts';
import type { CacheApi } from './api.ts';
import type { CacheEndpoint } from './backend/index.ts';
import type { CacheFunctions } from './functions.ts';
import { hasTenantLimits, MINUTE, serviceMetric } from './metrics.ts';
import type { DeploymentSettings } from './settings/types.ts';

export interface CacheAlarmsProps {
  api: CacheApi;
  functions: CacheFunctions;
  endpoint: Pick<CacheEndpoint, 'measurement' | 'metrics'>;
  settings: Pick<DeploymentSettings, 'alarmEmail' | 'alarmMissRate' | 'alarmTopicArn' | 'service' | 'stage'>;
}

interface AlarmSpec {
  /** Also the heading of its section in docs/operations.md. */
  title: string;
  /** What to look at first. */
  firstLook: string;
  metric: IMetric;
  /** In the metric's unit. A period breaches if the metric is at or above it. */
  threshold: number;
  /** The alarm fires if this many of the last periods breach. */
  breaching: readonly [periods: number, of: number];
  /** Whether the alarm shows a bad version of the functions, so that a traffic shift is undone. */
  rollBack?: true;
}

/** Minimum requests per minute for a rate. The alarms that count errors cover fewer requests. */
const MIN_REQUESTS = 20;

/**
 * Limit of the mean latency, in milliseconds. A request that the backend does not answer takes 900 with the default timeout. On a quiet API
 * many requests are cold starts, which take about 300 and are no reason for an alarm.
 */
const SLOW_MS = 700;

/** All alarms. Without traffic, only those about the cache itself and about the function that measures it can fire. */
export class CacheAlarms extends Construct {
  readonly topic: ITopic;
  readonly alarms: readonly Alarm[];
  /** Those of the alarms that show a bad version of the functions. */
  readonly rollBackAlarms: readonly Alarm[];

  constructor(scope: Construct, id: string, props: CacheAlarmsProps) {
    super(scope, id);
    const { alarmTopicArn, alarmEmail } = props.settings;
    const notifications = new Construct(this, 'Notifications');
    this.topic =
      alarmTopicArn === undefined
        ? createAlarmTopic(notifications, alarmEmail)
        : Topic.fromTopicArn(notifications, 'Topic', alarmTopicArn);
    const specs = [...serviceAlarms(props), ...cacheAlarms(props)];
    this.alarms = specs.map((spec) => this.#create(spec));
    this.rollBackAlarms = this.alarms.filter((_, index) => specs[index]?.rollBack);
  }

  #create({ title, firstLook, metric, threshold, breaching }: AlarmSpec): Alarm {
    const [datapointsToAlarm, evaluationPeriods] = breaching;
    const alarm = new Alarm(this, title.replaceAll(/\W/g, ''), {
      alarmName: `${Stack.of(this).stackName} ${title}`,
      alarmDescription: `${firstLook} Runbook: docs/operations.md#${title.toLowerCase().replaceAll(' ', '-')}`,
      metric,
      threshold,
      comparisonOperator: ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
      datapointsToAlarm,
      evaluationPeriods,
      treatMissingData: TreatMissingData.NOT_BREACHING,
    });
    const action = new SnsAction(this.topic);
    alarm.addAlarmAction(action);
    alarm.addOkAction(action);
    return alarm;
  }
}

/** Responses of 429, without those to tenants above a limit of their own. */
function throttledRequests(settings: CacheAlarmsProps['settings']): IMetric {
  const all = serviceMetric(settings, 'errors', { by: { status: '429' } });
  if (!hasTenantLimits(settings)) return all;
  const { code } = new TenantRateLimitedError(0);
  const limited = serviceMetric(settings, 'failures', { by: { code } });
  return new MathExpression({
    label: 'Requests throttled',
    expression: 'all - FILL(limited, 0)',
    usingMetrics: { all, limited },
    period: MINUTE,
  });
}

function serviceAlarms(props: CacheAlarmsProps): AlarmSpec[] {
  const { api, settings } = props;
  const requests = api.stage.metricCount({ period: MINUTE });
  const failures = api.stage.metricServerError({ period: MINUTE });
  const faults = (code: string) => serviceMetric(settings, 'failures', { by: { code } });

  return [
    {
      title: 'Server errors',
      firstLook:
        'Look at the 5xx responses by code on the dashboard: BACKEND_UNAVAILABLE is the cache, INTERNAL_SERVER_ERROR is the service.',
      metric: new MathExpression({
        label: 'Requests answered with 5xx, in percent',
        expression: `IF(requests >= ${MIN_REQUESTS}, 100 * FILL(failures, 0) / requests, 0)`,
        usingMetrics: { requests, failures },
        period: MINUTE,
      }),
      threshold: 1,
      breaching: [3, 5],
      rollBack: true,
    },
    {
      title: 'Slow answers',
      firstLook:
        'Compare the latency by operation on the dashboard. If only invalidate and clear are slow, find their caller; if get is slow, look at the cache.',
      // The mean without the slowest tenth. A p99 of few requests is their maximum, so one slow request would be an outage.
      metric: api.stage.metricLatency({ statistic: Stats.tm(0, 90), period: Duration.minutes(5) }),
      threshold: SLOW_MS,
      breaching: [3, 3],
    },
    {
      title: 'Requests throttled',
      firstLook:
        'Find the route and the caller of the 429 responses in the access log. If the traffic is wanted, raise throttleRate, or sweepThrottleRate for invalidate and clear.',
      metric: throttledRequests(settings),
      threshold: 10,
      breaching: [3, 5],
    },
    {
      title: 'Backend errors',
      firstLook:
        "Check that the cache is up and has free memory and connections. The cause is in the function's log, on the line BACKEND_UNAVAILABLE.",
      metric: faults(new BackendUnavailableError().code),
      threshold: 1,
      breaching: [3, 5],
    },
    {
      title: 'Internal errors',
      firstLook:
        "The service has a fault, whose cause is in the function's log on the line INTERNAL_SERVER_ERROR. If it began with a deployment, roll it back.",
      metric: faults(new InternalError(undefined).code),
      threshold: 1,
      breaching: [1, 1],
      rollBack: true,
    },
    {
      title: 'Function errors',
      firstLook:
        "If the dashboard shows throttled invocations, compare the account's concurrent executions with its quota and with reservedConcurrency. Otherwise look in the function's log for a failed start, a timeout, or memory at its limit.",
      metric: functionErrors(props),
      threshold: 1,
      breaching: [1, 1],
      rollBack: true,
    },
  ];
}

/**
 * Requests that a function did not answer, and failed invocations of `measure-backend`, which no request reaches. The access log counts the
 * requests of all functions in one metric. An alarm on Lambda's own metrics would need two for each function, and each metric in an
 * alarm is billed.
 */
function functionErrors({ endpoint, functions, settings }: CacheAlarmsProps): IMetric {
  const requests = serviceMetric(settings, 'functionErrors');
  if (!endpoint.measurement) return requests;
  const measurement = functions.of('measure-backend').metricErrors({ period: MINUTE });
  return new MathExpression({
    label: 'Invocations without a response',
    // SUM treats a metric without data as 0; `+` would make the whole sum unknown.
    expression: 'SUM([requests, measurement])',
    usingMetrics: { requests, measurement },
    period: MINUTE,
  });
}

function cacheAlarms({ endpoint, settings }: CacheAlarmsProps): AlarmSpec[] {
  const { evictions, memoryUsageNoEviction, throttles, unreachable } = endpoint.metrics;
  const [hits, misses] = [serviceMetric(settings, 'hits'), serviceMetric(settings, 'misses')];
  const specs: (Omit<AlarmSpec, 'metric'> & { metric: IMetric | undefined })[] = [
    {
      title: 'Cache unreachable',
      firstLook:
        'Check that the cache runs, and that its address, login and certificate match its secret. The cause is in the log of measure-backend.',
      metric: unreachable,
      threshold: 1,
      breaching: [3, 5],
    },
    {
      // A full cache alone is no reason: a cache that evicts is full most of the time.
      title: 'Cache too small',
      firstLook:
        'Compare the hit rate on the dashboard with that of other days: if evictions have lowered it, give the cache more memory or shorten TTLs.',
      metric:
        evictions &&
        new MathExpression({
          label: 'Misses while entries are evicted, in percent',
          expression: `IF(evictions > 0 AND FILL(hits, 0) + misses >= ${MIN_REQUESTS}, 100 * misses / (FILL(hits, 0) + misses), 0)`,
          usingMetrics: { evictions, hits, misses },
          period: MINUTE,
        }),
      threshold: settings.alarmMissRate,
      breaching: [15, 15],
    },
    {
      title: 'Cache memory',
      firstLook:
        'The cache rejects sets when its memory is full: give it more memory, or set a maxmemory-policy that evicts.',
      metric: memoryUsageNoEviction,
      threshold: 90,
      breaching: [3, 5],
    },
    {
      title: 'Cache throttled',
      firstLook:
        'Compare the processing units on the dashboard with cacheMaxEcpuPerSecond. If the traffic is wanted, raise it.',
      metric: throttles,
      threshold: 1,
      breaching: [3, 5],
    },
  ];
  return specs.filter((spec): spec is AlarmSpec => spec.metric !== undefined);
}
