import type { Template } from 'aws-cdk-lib/assertions';
import { describe, expect, it } from 'vitest';
import { METRICS } from '../../lib/observability/metric-names.ts';
import { anchorsIn, read } from '../support/markdown.ts';
import { BACKENDS, only, resources, synthesize } from './synthesize.ts';

interface Alarm {
  AlarmName: string;
  AlarmDescription: string;
  AlarmActions: { Ref: string }[];
  OKActions: { Ref: string }[];
  Namespace?: string;
  MetricName?: string;
  Dimensions?: { Name: string; Value: unknown }[];
  Metrics?: { Expression?: string; MetricStat?: { Metric: Metric } }[];
}

interface Metric {
  Namespace: string;
  MetricName: string;
  Dimensions?: { Name: string; Value: unknown }[];
}

/** A metric or an expression of an alarm. */
function metricsOf(alarm: Alarm | undefined): Metric[] {
  return alarm?.Metrics?.flatMap(({ MetricStat }) => MetricStat?.Metric ?? []) ?? [];
}

const templates = {
  elasticache: synthesize(BACKENDS.elasticache).template,
  nodes: synthesize(BACKENDS['elasticache-nodes']).template,
  dragonfly: synthesize(BACKENDS.dragonfly).template,
  external: synthesize(BACKENDS.external).template,
  memory: synthesize(BACKENDS.memory).template,
};
const { elasticache: template, nodes, dragonfly, external, memory } = templates;

/** The alarms by title, which is the name without the stack's prefix. */
function alarmsOf(from: Template): Record<string, Alarm> {
  const alarms = Object.values(resources(from, 'AWS::CloudWatch::Alarm')) as unknown as Alarm[];
  return Object.fromEntries(alarms.map((alarm) => [alarm.AlarmName.replace(/^\S+ /, ''), alarm]));
}

const SERVICE = [
  'Server errors',
  'Slow answers',
  'Requests throttled',
  'Backend errors',
  'Internal errors',
  'Function errors',
];

describe('the alarms', () => {
  it('exist for the service with every backend, and for the cache if it reports metrics', () => {
    expect(Object.keys(alarmsOf(template)).sort()).toEqual(
      [...SERVICE, 'Cache too small', 'Cache throttled', 'Cache unreachable'].sort(),
    );
    for (const of of [nodes, dragonfly]) {
      expect(Object.keys(alarmsOf(of)).sort()).toEqual(
        [...SERVICE, 'Cache too small', 'Cache unreachable'].sort(),
      );
    }
    expect(Object.keys(alarmsOf(external)).sort()).toEqual(
      [...SERVICE, 'Cache memory', 'Cache too small', 'Cache unreachable'].sort(),
    );
    expect(Object.keys(alarmsOf(memory)).sort()).toEqual([...SERVICE].sort());
  });

  it('have a description with the first step and a link to an existing section of docs/operations.md', () => {
    const sections = anchorsIn(read('docs/operations.md'));
    const alarms = { ...alarmsOf(template), ...alarmsOf(external) };
    for (const [title, { AlarmDescription }] of Object.entries(alarms)) {
      const [firstLook = '', runbook] = AlarmDescription.split(' Runbook: ');
      expect(firstLook, title).toMatch(/^[A-Z].{50,}\.$/);
      expect(firstLook.split(/\.\s/).length, title).toBeLessThanOrEqual(2);
      const section = title.toLowerCase().replaceAll(' ', '-');
      expect(runbook).toBe(`docs/operations.md#${section}`);
      expect(sections).toContain(section);
    }
  });

  it('notify the topic on ALARM and on OK', () => {
    const [topic] = Object.keys(resources(template, 'AWS::SNS::Topic'));
    for (const [title, { AlarmActions, OKActions }] of Object.entries(alarmsOf(template))) {
      expect({ AlarmActions, OKActions }, title).toEqual({
        AlarmActions: [{ Ref: topic }],
        OKActions: [{ Ref: topic }],
      });
    }
  });

  it('treat missing data as not breaching', () => {
    for (const [title, alarm] of Object.entries(alarmsOf(template))) {
      expect(alarm, title).toMatchObject({ TreatMissingData: 'notBreaching' });
    }
  });

  it('have names that begin with the stack of their stage', () => {
    const names = Object.values(alarmsOf(synthesize({ ...BACKENDS.memory, stage: 'test' }).template)).map(
      ({ AlarmName }) => AlarmName,
    );
    for (const name of names) expect(name).toMatch(/^CacheService-test /);
  });

  it('compute the rate of server errors only from 20 requests a minute on', () => {
    const { Metrics = [] } = alarmsOf(template)['Server errors'] ?? {};
    expect(Metrics.map(({ Expression }) => Expression)).toContain(
      'IF(requests >= 20, 100 * FILL(failures, 0) / requests, 0)',
    );
    expect(Metrics.flatMap(({ MetricStat }) => MetricStat?.Metric.MetricName ?? []).sort()).toEqual([
      '5xx',
      'Count',
    ]);
  });

  it('fire for a cache that does not answer measure-backend, without any traffic', () => {
    const alarm = alarmsOf(external)['Cache unreachable'];
    expect(alarm).toMatchObject({ Threshold: 1, EvaluationPeriods: 5, DatapointsToAlarm: 3 });
    expect(alarm?.Metrics?.map(({ Expression }) => Expression)).toContain('1 - reachable');
    expect(alarm?.Metrics?.flatMap(({ MetricStat }) => MetricStat?.Metric.MetricName ?? [])).toEqual([
      'BackendReachable',
    ]);
  });

  it('compare the mean latency without the slowest tenth with less than the 900 ms of a request that the cache does not answer', () => {
    expect(alarmsOf(template)['Slow answers']).toMatchObject({
      ExtendedStatistic: 'TM(0%:90%)',
      MetricName: 'Latency',
      Threshold: 700,
    });
  });

  it.each(['elasticache', 'elasticache-nodes', 'dragonfly', 'external'] as const)(
    'fire for misses while backend %s evicts entries, from alarmMissRate on',
    (backend) => {
      const { template } = synthesize({ ...BACKENDS[backend], alarmMissRate: 80 });
      const alarm = alarmsOf(template)['Cache too small'];
      expect(alarm).toMatchObject({ Threshold: 80, EvaluationPeriods: 15, DatapointsToAlarm: 15 });
      expect(alarm?.Metrics?.map(({ Expression }) => Expression)).toContain(
        'IF(evictions > 0 AND FILL(hits, 0) + misses >= 20, 100 * misses / (FILL(hits, 0) + misses), 0)',
      );
    },
  );

  it('fire for a full memory only if the cache does not evict', () => {
    expect(alarmsOf(external)['Cache memory']).toMatchObject({
      MetricName: METRICS.memoryUsageNoEviction.name,
      Threshold: 90,
    });
  });

  it('count requests that no function answered, and failures of measure-backend, which no request reaches', () => {
    const unanswered = { Namespace: 'CacheService/prod', MetricName: METRICS.functionErrors.name };
    expect(alarmsOf(memory)['Function errors']).toMatchObject({
      ...unanswered,
      Statistic: 'Sum',
      Threshold: 1,
    });
    for (const of of [template, dragonfly, external]) {
      const alarm = alarmsOf(of)['Function errors'];
      expect(metricsOf(alarm)).toEqual([
        unanswered,
        {
          Namespace: 'AWS/Lambda',
          MetricName: 'Errors',
          Dimensions: [{ Name: 'FunctionName', Value: { Ref: 'MeasureBackendFunction' } }],
        },
      ]);
      expect(alarm?.Metrics?.map(({ Expression }) => Expression)).toContain('SUM([requests, measurement])');
      expect(alarm).toMatchObject({ Threshold: 1, EvaluationPeriods: 1, DatapointsToAlarm: 1 });
    }
  });

  it.each([
    ['elasticache', 13],
    ['dragonfly', 12],
    ['external', 13],
    ['memory', 7],
  ] as const)('have few metrics, because each is paid for: with backend %s %d', (backend, count) => {
    const alarms = Object.values(alarmsOf(templates[backend]));
    expect(alarms.reduce((sum, alarm) => sum + Math.max(1, metricsOf(alarm).length), 0)).toBe(count);
  });
});

describe('alarmTopicArn', () => {
  it('replaces the topic of the stack and its key', () => {
    const alarmTopicArn = 'arn:aws:sns:us-east-1:123456789012:on-call';
    const { template: chosen } = synthesize({ ...BACKENDS.memory, alarmTopicArn });
    for (const [title, alarm] of Object.entries(alarmsOf(chosen))) {
      expect(alarm, title).toMatchObject({ AlarmActions: [alarmTopicArn], OKActions: [alarmTopicArn] });
    }
    for (const type of ['AWS::SNS::Topic', 'AWS::SNS::TopicPolicy', 'AWS::KMS::Key']) {
      expect(resources(chosen, type)).toEqual({});
    }
  });
});

describe('the topic', () => {
  const statements = (policy: Record<string, unknown>) =>
    (policy.PolicyDocument ?? policy.KeyPolicy) as { Statement: Record<string, unknown>[] };
  const ofThisAccount = {
    StringEquals: { 'aws:SourceAccount': { Ref: 'AWS::AccountId' } },
    ArnLike: { 'aws:SourceArn': expect.anything() },
  };

  it('is encrypted with a key that rotates every year', () => {
    const [key] = Object.entries(resources(template, 'AWS::KMS::Key'));
    expect(key?.[1]).toMatchObject({ EnableKeyRotation: true });
    expect(only(template, 'AWS::SNS::Topic')).toMatchObject({
      KmsMasterKeyId: { 'Fn::GetAtt': [key?.[0], 'Arn'] },
    });
  });

  it('rejects publishing without TLS', () => {
    expect(statements(only(template, 'AWS::SNS::TopicPolicy')).Statement).toContainEqual(
      expect.objectContaining({
        Effect: 'Deny',
        Principal: '*',
        Condition: { Bool: { 'aws:SecureTransport': 'false' } },
      }),
    );
  });

  it('allows publishing to the alarms of this account only', () => {
    const allowed = statements(only(template, 'AWS::SNS::TopicPolicy')).Statement.filter(
      ({ Effect }) => Effect === 'Allow',
    );
    expect(allowed).toEqual([
      expect.objectContaining({
        Action: 'sns:Publish',
        Principal: { Service: 'cloudwatch.amazonaws.com' },
        Condition: ofThisAccount,
      }),
    ]);
  });

  it('allows the alarms to use its key', () => {
    expect(statements(only(template, 'AWS::KMS::Key')).Statement).toContainEqual(
      expect.objectContaining({
        Effect: 'Allow',
        Action: ['kms:Decrypt', 'kms:GenerateDataKey*'],
        Principal: { Service: 'cloudwatch.amazonaws.com' },
        Condition: ofThisAccount,
      }),
    );
  });

  it('has a subscription for alarmEmail, and none without it', () => {
    const withEmail = synthesize({ ...BACKENDS.memory, alarmEmail: 'oncall@example.com' }).template;
    expect(only(withEmail, 'AWS::SNS::Subscription')).toMatchObject({
      Protocol: 'email',
      Endpoint: 'oncall@example.com',
    });
    expect(resources(memory, 'AWS::SNS::Subscription')).toEqual({});
  });
});
