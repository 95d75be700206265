import { Duration, Stack } from 'aws-cdk-lib';
import {
  Alarm,
  ComparisonOperator,
  type IMetric,
  MathExpression,
  TreatMissingData,
} from 'aws-cdk-lib/aws-cloudwatch';
import { SnsAction } from 'aws-cdk-lib/aws-cloudwatch-actions';
import type { Topic } from 'aws-cdk-lib/aws-sns';
import { Construct } from 'constructs';
import { BackendUnavailableError, InternalError } from '../../lib/errors.ts';
import { AlarmTopic } from './alarm-topic.ts';
import type { CacheApi } from './api.ts';
import type { CacheEndpoint } from './backend/index.ts';
import type { CacheFunctions } from './functions.ts';
import { MINUTE, serviceMetric } from './metrics.ts';
import type { DeploymentSettings } from './settings/types.ts';

export interface CacheAlarmsProps {
  api: CacheApi;
  functions: CacheFunctions;
  endpoint: Pick<CacheEndpoint, 'metrics'>;
  settings: Pick<DeploymentSettings, 'alarmEmail' | 'service' | 'stage'>;
}

interface AlarmSpec {
  /** Also the heading of its section in docs/operations.md. */
  title: string;
  /** Tells it apart from others of its title. */
  part?: string;
  /** What to do first, in a sentence or two. */
  firstLook: string;
  metric: IMetric;
  /** In the metric's own unit; to be at it is bad. */
  threshold: number;
  /** So many of the last so many minutes (or other periods) have to be bad. */
  bad: readonly [datapoints: number, of: number];
  /** For percentiles: few samples say nothing. */
  percentile?: true;
}

/** Fewer requests than this in a minute have no rate worth waking anybody for; the alarms that count cover them. */
const MIN_REQUESTS = 20;

/** What a person has to know of. Without traffic all are silent but those about the cache itself and the function that measures it. */
export class CacheAlarms extends Construct {
  readonly topic: Topic;
  readonly alarms: readonly Alarm[];

  constructor(scope: Construct, id: string, props: CacheAlarmsProps) {
    super(scope, id);
    this.topic = new AlarmTopic(this, 'Notifications', { email: props.settings.alarmEmail }).topic;
    this.alarms = [...serviceAlarms(props), ...cacheAlarms(props)].map((spec) => this.#create(spec));
  }

  #create({ title, part = '', firstLook, metric, threshold, bad, percentile }: AlarmSpec): Alarm {
    const [datapointsToAlarm, evaluationPeriods] = bad;
    const alarm = new Alarm(this, `${title}${part}`.replaceAll(/\W/g, ''), {
      alarmName: `${Stack.of(this).stackName} ${title}${part}`,
      alarmDescription: `${firstLook} Runbook: docs/operations.md#${title.toLowerCase().replaceAll(' ', '-')}`,
      metric,
      threshold,
      comparisonOperator: ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
      datapointsToAlarm,
      evaluationPeriods,
      treatMissingData: TreatMissingData.NOT_BREACHING,
      ...(percentile && { evaluateLowSampleCountPercentile: 'ignore' }),
    });
    const action = new SnsAction(this.topic);
    alarm.addAlarmAction(action);
    alarm.addOkAction(action);
    return alarm;
  }
}

function serviceAlarms({ api, functions, settings }: CacheAlarmsProps): AlarmSpec[] {
  const requests = api.stage.metricCount({ period: MINUTE });
  const failures = api.stage.metricServerError({ period: MINUTE });
  const faults = (code: string) => serviceMetric(settings, 'failures', { by: { code } });

  return [
    {
      title: 'Server errors',
      firstLook:
        'Open the dashboard and see by code which kind it is: BACKEND_UNAVAILABLE is the cache, INTERNAL_SERVER_ERROR is the service.',
      metric: new MathExpression({
        label: 'Requests answered with 5xx, in per cent',
        expression: `IF(requests >= ${MIN_REQUESTS}, 100 * FILL(failures, 0) / requests, 0)`,
        usingMetrics: { requests, failures },
        period: MINUTE,
      }),
      threshold: 1,
      bad: [3, 5],
    },
    {
      title: 'Slow answers',
      firstLook:
        'Compare the latency per operation on the dashboard: if only invalidate and clear are slow, look for who sends them; if get is slow, look at the cache.',
      // The service itself gives up on the cache after about a second.
      metric: api.stage.metricLatency({ statistic: 'p99', period: Duration.minutes(5) }),
      threshold: 1000,
      bad: [3, 3],
      percentile: true,
    },
    {
      title: 'Requests throttled',
      firstLook:
        'Find the route and the caller of the answers with 429 in the access log. If the traffic is wanted, raise throttleRate, or sweepThrottleRate for invalidate and clear.',
      metric: serviceMetric(settings, 'errors', { by: { status: '429' } }),
      threshold: 10,
      bad: [3, 5],
    },
    ...overFunctions(functions, 'Throttles', {
      title: 'Functions throttled',
      label: 'Invocations throttled',
      firstLook:
        "Compare the account's concurrent executions with its quota in this region, and reservedConcurrency with the traffic.",
      bad: [2, 5],
    }),
    {
      title: 'Backend errors',
      firstLook:
        "Look whether the cache is up and has memory and connections left; then read the cause in the function's log, on the line BACKEND_UNAVAILABLE.",
      metric: faults(new BackendUnavailableError().code),
      threshold: 5,
      bad: [3, 5],
    },
    {
      title: 'Internal errors',
      firstLook:
        "Read the cause in the function's log, on the line INTERNAL_SERVER_ERROR: it is a fault of the service. If a deployment came just before, roll it back.",
      metric: faults(new InternalError(undefined).code),
      threshold: 1,
      bad: [1, 1],
    },
    ...overFunctions(functions, 'Errors', {
      title: 'Function errors',
      label: 'Invocations that ended without an answer',
      firstLook:
        "Look in the function's log for a timeout, memory at its limit, or a start that failed: the service answers everything else itself.",
      bad: [1, 1],
    }),
  ];
}

/** CloudWatch takes no alarm whose expression is made of more metrics than these. */
const METRICS_AN_ALARM = 10;

/** Alarms that one of Lambda's counts is not zero for all functions: several, since there are more than one alarm may look at. */
function overFunctions(
  { all }: CacheFunctions,
  metricName: 'Errors' | 'Throttles',
  { label, ...spec }: Pick<AlarmSpec, 'bad' | 'firstLook' | 'title'> & { label: string },
): AlarmSpec[] {
  const parts = Array.from({ length: Math.ceil(all.length / METRICS_AN_ALARM) }, (_, part) =>
    all.slice(part * METRICS_AN_ALARM, (part + 1) * METRICS_AN_ALARM),
  );
  return parts.map((functions, part) => {
    const counts = functions.map(
      (counted, index) =>
        [`m${index}`, counted.metric(metricName, { statistic: 'Sum', period: MINUTE })] as const,
    );
    return {
      ...spec,
      part: part === 0 ? '' : ` ${part + 1}`,
      metric: new MathExpression({
        label,
        // Unlike a plus sign, it takes a function without a call in that minute for none and not for unknown.
        expression: `SUM([${counts.map(([name]) => name).join(', ')}])`,
        usingMetrics: Object.fromEntries(counts),
        period: MINUTE,
      }),
      threshold: 1,
    };
  });
}

function cacheAlarms({ endpoint }: CacheAlarmsProps): AlarmSpec[] {
  const { memoryUsagePercent, throttles, unreachable } = endpoint.metrics;
  const specs: (Omit<AlarmSpec, 'metric'> & { metric: IMetric | undefined })[] = [
    {
      title: 'Cache unreachable',
      firstLook:
        'Look whether the cache runs, and whether its address, login and certificate are those in its secret; the cause is in the log of measure-backend.',
      metric: unreachable,
      threshold: 1,
      bad: [3, 5],
    },
    {
      title: 'Cache memory',
      firstLook:
        'See whether evictions rise and the hit rate falls. If they do, give the cache more memory; if not, the memory is only well used.',
      metric: memoryUsagePercent,
      threshold: 90,
      bad: [15, 15],
    },
    {
      title: 'Cache throttled',
      firstLook:
        'Compare the processing units on the dashboard with cacheMaxEcpuPerSecond. If the traffic is wanted, raise it.',
      metric: throttles,
      threshold: 1,
      bad: [3, 5],
    },
  ];
  return specs.filter((spec): spec is AlarmSpec => spec.metric !== undefined);
}
