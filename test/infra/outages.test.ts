import { expect, test } from 'vitest';
import { METRICS } from '../../lib/observability/metric-names.ts';
import { BACKENDS, resources, synthesize } from './synthesize.ts';

/** The value of a metric in each minute; undefined: no data. The statistic does not matter, since all requests of an outage are alike. */
type Series = (minute: number) => number | undefined;

interface MetricStat {
  Metric: { Namespace: string; MetricName: string; Dimensions?: { Name: string; Value: unknown }[] };
  Period: number;
}

interface Alarm {
  AlarmName: string;
  Threshold: number;
  DatapointsToAlarm: number;
  EvaluationPeriods: number;
  Period?: number;
  Namespace?: string;
  MetricName?: string;
  Dimensions?: MetricStat['Metric']['Dimensions'];
  Metrics?: { Id: string; Expression?: string; MetricStat?: MetricStat; ReturnData?: boolean }[];
}

const MINUTES = 60;

/** What CloudWatch's metric math computes of one datapoint. No data is NaN, which every operator keeps. */
const FUNCTIONS = {
  IF: (condition: boolean, yes: number, no: number) => (condition ? yes : no),
  FILL: (value: number, substitute: number) => (Number.isNaN(value) ? substitute : value),
  SUM: (values: number[]) => values.reduce((sum, value) => sum + (value || 0), 0),
};

function compute(expression: string, values: Record<string, number>): number {
  const known: Record<string, unknown> = { ...FUNCTIONS, ...values };
  const script = expression.replaceAll(' AND ', ' && ').replaceAll(/DIFF\((\w+)\)/g, '($1 - $1_before)');
  return new Function(...Object.keys(known), `return ${script}`)(...Object.values(known));
}

/** Whether an alarm fires at some moment, if missing data does not breach. */
function fires(alarm: Alarm, seriesOf: (metric: MetricStat['Metric']) => Series): boolean {
  const { Namespace = '', MetricName = '', Dimensions } = alarm;
  const metrics = alarm.Metrics ?? [
    {
      Id: 'm',
      MetricStat: { Metric: { Namespace, MetricName, Dimensions }, Period: alarm.Period ?? 60 },
      ReturnData: true,
    },
  ];
  const minutes = (metrics.find(({ MetricStat }) => MetricStat)?.MetricStat?.Period ?? 60) / 60;
  const breaches: boolean[] = [];
  for (let start = 0; start < MINUTES; start += minutes) {
    // Expressions refer to metrics and to expressions in any order.
    const resolve = (id: string, from: number): number => {
      const { Expression = '', MetricStat } = metrics.find(({ Id }) => Id === id) ?? {};
      if (MetricStat) {
        const series = seriesOf(MetricStat.Metric);
        const data = Array.from({ length: minutes }, (_, i) => series(from + i)).filter(
          (v) => v !== undefined,
        );
        return data.length === 0 ? Number.NaN : Math.max(...data);
      }
      const values: Record<string, number> = {};
      for (const [word] of Expression.matchAll(/\b[a-z]\w*/g)) {
        values[word] ??= resolve(word, from);
        values[`${word}_before`] ??= resolve(word, from - minutes);
      }
      return compute(Expression, values);
    };
    const returned = metrics.find(({ ReturnData }) => ReturnData !== false);
    breaches.push(resolve(returned?.Id ?? '', start) >= alarm.Threshold);
  }
  return breaches.some(
    (_, end) =>
      breaches.slice(Math.max(0, end + 1 - alarm.EvaluationPeriods), end + 1).filter(Boolean).length >=
      alarm.DatapointsToAlarm,
  );
}

/** What callers get while something is broken. */
interface Outage {
  code?: string;
  latencyMs: number;
  reachable: number;
  /** Whether no function answers. */
  functionErrors?: true;
  /** Whether the invocations of measure-backend fail. */
  measurementErrors?: true;
  /** Entries that the cache evicts per minute. */
  evictions?: number;
  /** Share of the reads that are misses. */
  missRate?: number;
  /** The minute in which the cache restarts, which sets its total of evictions to 0. */
  restart?: number;
}

const OUTAGES = {
  'nothing is broken': { latencyMs: 8, reachable: 1 },
  'all requests are cold starts': { latencyMs: 600, reachable: 1 },
  'the cache evicts and most reads are misses': { latencyMs: 8, reachable: 1, evictions: 50, missRate: 0.8 },
  'the cache evicts and few reads are misses': { latencyMs: 8, reachable: 1, evictions: 50, missRate: 0.1 },
  'most reads are misses without evictions': { latencyMs: 8, reachable: 1, missRate: 0.8 },
  'the cache restarts while most reads are misses': {
    latencyMs: 8,
    reachable: 1,
    missRate: 0.8,
    restart: 30,
  },
  'the cache does not answer': { code: 'BACKEND_UNAVAILABLE', latencyMs: 910, reachable: 0 },
  // Such as writes of a primary that lost its replicas: reads go on, and so does INFO.
  'the cache rejects commands': { code: 'BACKEND_UNAVAILABLE', latencyMs: 10, reachable: 1 },
  'the service has a fault': { code: 'INTERNAL_SERVER_ERROR', latencyMs: 10, reachable: 1 },
  // They do not start, exceed their timeout, or are throttled.
  'functions do not answer': { latencyMs: 300, reachable: 1, functionErrors: true },
  'measure-backend does not start': { latencyMs: 8, reachable: 1, measurementErrors: true },
} satisfies Record<string, Outage>;

/** The metrics while every request fails in the same way. @param rate requests per minute */
function metricsDuring(outage: Outage, rate: number) {
  const {
    code,
    latencyMs,
    reachable,
    functionErrors,
    measurementErrors,
    evictions = 0,
    missRate = 0,
    restart = 0,
  } = outage;
  /** Requests in a minute: with a rate of 0.2, one in every fifth. */
  const requests = (minute: number) =>
    Math.floor((minute + 1) * rate) - Math.floor(minute * rate) || undefined;
  const failed = code !== undefined || functionErrors;
  return ({ Namespace, MetricName, Dimensions = [] }: MetricStat['Metric']): Series => {
    const has = (value: string) => Dimensions.some(({ Value }) => Value === value);
    switch (`${Namespace.split('/')[0]} ${MetricName}`) {
      case 'AWS Count':
        return requests;
      case 'AWS 5xx':
        return (minute) => (failed ? requests(minute) : requests(minute) && 0);
      case 'AWS Latency':
        return (minute) => requests(minute) && latencyMs;
      case 'AWS Errors':
        return () => (measurementErrors ? 1 : 0);
      case `CacheService ${METRICS.functionErrors.name}`:
        return (minute) => (functionErrors ? requests(minute) : undefined);
      case `CacheService ${METRICS.failures.name}`:
        return (minute) => (code !== undefined && has(code) ? requests(minute) : undefined);
      // CloudWatch has no data for what did not happen.
      case `CacheService ${METRICS.hits.name}`:
        return (minute) =>
          failed ? undefined : Math.round((requests(minute) ?? 0) * (1 - missRate)) || undefined;
      case `CacheService ${METRICS.misses.name}`:
        return (minute) => (failed ? undefined : Math.round((requests(minute) ?? 0) * missRate) || undefined);
      case `CacheService ${METRICS.backendReachable.name}`:
        return () => reachable;
      case `CacheService ${METRICS.evicted.name}`:
        return (minute) => (minute < restart ? 1000 : evictions * minute);
      case 'AWS Evictions':
        return () => evictions;
      default:
        return () => undefined;
    }
  };
}

const templates = Object.fromEntries(
  Object.entries(BACKENDS).map(([name, context]) => [name, synthesize(context).template]),
);

type Backend = keyof typeof BACKENDS;
type Row = [outage: keyof typeof OUTAGES, rate: number, backends: Backend[], alarms: string[]];

const WITH_CACHE: Backend[] = ['elasticache', 'elasticache-nodes', 'dragonfly', 'external'];

test.each<Row>([
  ['nothing is broken', 0, WITH_CACHE, []],
  ['nothing is broken', 0.2, WITH_CACHE, []],
  ['nothing is broken', 1000, WITH_CACHE, []],
  ['all requests are cold starts', 0.2, WITH_CACHE, []],
  ['the cache evicts and most reads are misses', 4, WITH_CACHE, []],
  ['the cache evicts and most reads are misses', 100, WITH_CACHE, ['Cache too small']],
  ['the cache evicts and few reads are misses', 100, WITH_CACHE, []],
  ['most reads are misses without evictions', 100, WITH_CACHE, []],
  ['the cache restarts while most reads are misses', 100, WITH_CACHE, []],
  ['the cache does not answer', 0, WITH_CACHE, ['Cache unreachable']],
  ['the cache does not answer', 0.2, WITH_CACHE, ['Cache unreachable', 'Slow answers']],
  ['the cache does not answer', 1, WITH_CACHE, ['Backend errors', 'Cache unreachable', 'Slow answers']],
  ['the cache does not answer', 4, WITH_CACHE, ['Backend errors', 'Cache unreachable', 'Slow answers']],
  [
    'the cache does not answer',
    20,
    WITH_CACHE,
    ['Backend errors', 'Cache unreachable', 'Server errors', 'Slow answers'],
  ],
  [
    'the cache does not answer',
    10_000,
    WITH_CACHE,
    ['Backend errors', 'Cache unreachable', 'Server errors', 'Slow answers'],
  ],
  ['the cache rejects commands', 1, WITH_CACHE, ['Backend errors']],
  ['the cache rejects commands', 20, WITH_CACHE, ['Backend errors', 'Server errors']],
  ['the service has a fault', 0.2, [...WITH_CACHE, 'memory'], ['Internal errors']],
  ['the service has a fault', 20, [...WITH_CACHE, 'memory'], ['Internal errors', 'Server errors']],
  ['functions do not answer', 0.2, [...WITH_CACHE, 'memory'], ['Function errors']],
  ['functions do not answer', 20, [...WITH_CACHE, 'memory'], ['Function errors', 'Server errors']],
  ['measure-backend does not start', 0, WITH_CACHE, ['Function errors']],
])('if %s, at %d requests per minute, with %j, these alarms fire: %j', (outage, rate, backends, expected) => {
  for (const backend of backends) {
    const alarms = Object.values(resources(templates[backend] as never, 'AWS::CloudWatch::Alarm'));
    const firing = (alarms as unknown as Alarm[]).filter((alarm) =>
      fires(alarm, metricsDuring(OUTAGES[outage], rate)),
    );
    const titles = firing.map(({ AlarmName }) => AlarmName.replace(/^\S+ /, ''));
    expect(titles.sort(), backend).toEqual(expected);
  }
});
