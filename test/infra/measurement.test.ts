import type { Template } from 'aws-cdk-lib/assertions';
import { describe, expect, it } from 'vitest';
import { METRICS } from '../../lib/observability/metric-names.ts';
import { BACKENDS, only, resources, synthesize } from './synthesize.ts';
import { attributeOf, statementsOf, variablesOf } from './template.ts';

const ID = 'MeasureBackendFunction';
const SECRET = BACKENDS.external.externalSecretArn;
const { template } = synthesize(BACKENDS.external);
const measuring = (of: Template) => resources(of, 'AWS::Lambda::Function')[ID];

describe('the function that measures the backend', () => {
  it('exists for every backend that is a server', () => {
    const there = Object.entries(BACKENDS).filter(([, context]) => measuring(synthesize(context).template));
    expect(there.map(([backend]) => backend)).toEqual([
      'elasticache',
      'elasticache-nodes',
      'dragonfly',
      'external',
    ]);
  });

  it.each([
    ['elasticache', 'reachability'],
    ['elasticache-nodes', 'all'],
    ['dragonfly', 'all'],
    ['external', 'all'],
  ] as const)('gets from its rule what to publish: with backend %s %s', (backend, metrics) => {
    expect(only(synthesize(BACKENDS[backend]).template, 'AWS::Events::Rule')).toMatchObject({
      Targets: [{ Input: JSON.stringify({ metrics }) }],
    });
  });

  it('is invoked each minute, without retries', () => {
    const once = { MaximumRetryAttempts: 0, MaximumEventAgeInSeconds: 60 };
    expect(only(template, 'AWS::Events::Rule')).toMatchObject({
      ScheduleExpression: 'rate(1 minute)',
      State: 'ENABLED',
      Targets: [{ Arn: { 'Fn::GetAtt': [ID, 'Arn'] }, RetryPolicy: once }],
    });
    expect(only(template, 'AWS::Lambda::EventInvokeConfig')).toMatchObject({
      FunctionName: { Ref: ID },
      ...once,
    });
  });

  it('may be invoked by its rule only', () => {
    const permissions = Object.values(resources(template, 'AWS::Lambda::Permission')).filter(
      ({ FunctionName }) => attributeOf(FunctionName) === ID,
    );
    const [rule] = Object.keys(resources(template, 'AWS::Events::Rule'));
    expect(permissions).toEqual([
      {
        Action: 'lambda:InvokeFunction',
        FunctionName: { 'Fn::GetAtt': [ID, 'Arn'] },
        Principal: 'events.amazonaws.com',
        SourceArn: { 'Fn::GetAtt': [rule, 'Arn'] },
      },
    ]);
  });

  it('reaches the cache like other functions, and publishes no events', () => {
    const { template: withEvents } = synthesize({
      ...BACKENDS.external,
      natsUrl: 'tls://connect.example.com',
    });
    expect(measuring(template)).toMatchObject({ Handler: 'measure-backend.handler' });
    expect(variablesOf(withEvents, ID)).toMatchObject({ DRAGONFLY_SECRET_ARN: SECRET, ENABLE_NATS: '' });
    expect(statementsOf(template, ID).map(({ Action }) => Action)).toEqual([
      ['logs:CreateLogStream', 'logs:PutLogEvents'],
      'secretsmanager:GetSecretValue',
    ]);
    const { template: inVpc } = synthesize(BACKENDS.dragonfly);
    expect(measuring(inVpc)?.VpcConfig).toEqual(
      resources(inVpc, 'AWS::Lambda::Function').GetFunction?.VpcConfig,
    );
  });

  it('reserves no concurrency', () => {
    const { template: reserved } = synthesize({ ...BACKENDS.external, reservedConcurrency: '7' });
    expect(measuring(reserved)).not.toHaveProperty('ReservedConcurrentExecutions');
  });
});

describe.each(['elasticache-nodes', 'dragonfly', 'external'] as const)(
  'the measured metrics of backend %s',
  (backend) => {
    const { template: of } = synthesize({ ...BACKENDS[backend], stage: 'test', SERVICE_NAME: 'my cache' });

    it('include the evictions of the alarm for a cache that is too small', () => {
      const alarms = Object.values(resources(of, 'AWS::CloudWatch::Alarm'));
      expect(alarms.find(({ AlarmName }) => String(AlarmName).endsWith('Cache too small'))).toMatchObject({
        Metrics: expect.arrayContaining([
          expect.objectContaining({
            MetricStat: {
              Metric: {
                Namespace: 'CacheService/test',
                MetricName: METRICS.evicted.name,
                Dimensions: [{ Name: 'service', Value: 'my cache' }],
              },
              Stat: 'Maximum',
              Period: 60,
              Unit: 'Count',
            },
          }),
        ]),
      });
    });

    it('are on the dashboard, with evictions per minute', () => {
      const body = JSON.stringify(only(of, 'AWS::CloudWatch::Dashboard'));
      for (const { name } of [METRICS.memoryUsage, METRICS.evicted, METRICS.connections]) {
        expect(body).toContain(name);
      }
      expect(body).toContain('IF(DIFF(total) > 0, DIFF(total), 0)');
    });
  },
);
