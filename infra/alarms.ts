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
import { BackendUnavailableError, InternalError } from '../lib/errors.ts';
import { AlarmTopic } from './alarm-topic.ts';
import type { CacheApi } from './api.ts';
import { operations } from './build.ts';
import type { CacheEndpoint } from './endpoint/index.ts';
import type { CacheFunctions } from './functions.ts';
import { logMetric, MINUTE } from './metrics.ts';
import type { DeploymentSettings } from './settings.ts';

export interface CacheAlarmsProps {
  api: CacheApi;
  functions: CacheFunctions;
  endpoint: Pick<CacheEndpoint, 'metrics'>;
  settings: Pick<DeploymentSettings, 'alarmEmail' | 'stage'>;
}

interface AlarmSpec {
  /** Also the heading of its section in the README's runbook. */
  title: string;
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

/** What a person has to know of. Each is silent where there is no traffic. */
export class CacheAlarms extends Construct {
  readonly topic: Topic;
  readonly alarms: readonly Alarm[];

  constructor(scope: Construct, id: string, props: CacheAlarmsProps) {
    super(scope, id);
    this.topic = new AlarmTopic(this, 'Notifications', { email: props.settings.alarmEmail }).topic;
    this.alarms = [...serviceAlarms(props), ...cacheAlarms(props)].map((spec) => this.#create(spec));
  }

  #create({ title, firstLook, metric, threshold, bad, percentile }: AlarmSpec): Alarm {
    const [datapointsToAlarm, evaluationPeriods] = bad;
    const alarm = new Alarm(this, title.replaceAll(/\W/g, ''), {
      alarmName: `${Stack.of(this).stackName} ${title}`,
      alarmDescription: `${firstLook} Runbook: README, «Runbook», «${title}».`,
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

function serviceAlarms({ api, functions, settings: { stage } }: CacheAlarmsProps): AlarmSpec[] {
  const requests = api.stage.metricCount({ period: MINUTE });
  const failures = api.stage.metricServerError({ period: MINUTE });
  const faults = (code: string) => logMetric(stage, 'faults', { dimensionsMap: { code } });
  /** A metric of Lambda's, over all functions. */
  const ofAll = (label: string, metricName: string) =>
    new MathExpression({
      label,
      // Unlike a plus sign, it takes a function without a call in that minute for none and not for unknown.
      expression: `SUM([${operations.map((_, index) => `m${index}`).join(', ')}])`,
      usingMetrics: Object.fromEntries(
        operations.map((operation, index) => [
          `m${index}`,
          functions.of(operation).metric(metricName, { statistic: 'Sum', period: MINUTE }),
        ]),
      ),
      period: MINUTE,
    });

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
      metric: logMetric(stage, 'errors', { dimensionsMap: { status: '429' } }),
      threshold: 10,
      bad: [3, 5],
    },
    {
      title: 'Functions throttled',
      firstLook:
        "Compare the account's concurrent executions with its quota in this region, and reservedConcurrency with the traffic.",
      metric: ofAll('Invocations throttled', 'Throttles'),
      threshold: 1,
      bad: [2, 5],
    },
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
    {
      title: 'Function errors',
      firstLook:
        "Look in the function's log for a timeout, memory at its limit, or a start that failed: the service answers everything else itself.",
      metric: ofAll('Invocations that ended without an answer', 'Errors'),
      threshold: 1,
      bad: [1, 1],
    },
  ];
}

function cacheAlarms({ endpoint }: CacheAlarmsProps): AlarmSpec[] {
  const { memoryUsagePercent, throttles } = endpoint.metrics;
  const specs: (Omit<AlarmSpec, 'metric'> & { metric: IMetric | undefined })[] = [
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
