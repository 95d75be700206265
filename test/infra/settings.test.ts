import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { operations } from '../../infra/build/functions.ts';
import { readSettings } from '../../infra/stack/settings/settings.ts';
import { stackId } from '../../infra/stack/stack.ts';
import {
  COLLECTOR,
  DOMAIN,
  EXTERNAL,
  GROUP,
  IAM,
  JWT,
  NODES,
  SECRET,
  TOPIC,
  VPC,
} from './settings-examples.ts';

const ROOT = resolve(import.meta.dirname, '../..');

describe('the settings of a deployment', () => {
  it('are all optional', () => {
    expect(readSettings({})).toEqual({
      stage: 'prod',
      availabilityZones: [],
      backend: { kind: 'elasticache', maxGiB: 5, maxEcpuPerSecond: 10_000 },
      network: undefined,
      authorization: { kind: 'iam' },
      logRetentionDays: 30,
      alarmEmail: undefined,
      alarmTopicArn: undefined,
      alarmMissRate: 50,
      reservedConcurrency: {},
      getProvisionedConcurrency: undefined,
      trafficShift: undefined,
      throttle: { rate: 1000, burst: 2000 },
      sweepThrottle: { rate: 10, burst: 20 },
      corsOrigins: [],
      domain: undefined,
      tracing: false,
      service: {
        BACKEND_TIMEOUT_MS: '',
        BACKEND_CONNECT_TIMEOUT_MS: '',
        DEFAULT_TTL_SECONDS: '',
        MAX_TTL_SECONDS: '',
        MAX_VALUE_BYTES: '',
        MEMORY_MAX_BYTES: '',
        CACHE_SHARDS: '',
        COMPRESS_MIN_BYTES: '',
        WAIT_REPLICAS: '',
        TENANT_MAX_ENTRIES: '',
        TENANT_MAX_BYTES: '',
        TENANT_MAX_REQUESTS_PER_SECOND: '',
        TENANT_REQUEST_BURST: '',
        TENANT_SWEEP_WEIGHT: '',
        TENANT_LIMITS: '',
        LOG_LEVEL: '',
        REQUEST_LOG_SAMPLE: '',
        SERVICE_NAME: '',
      },
    });
  });

  it.each<[string, Record<string, unknown>, object]>([
    ['a stage', { stage: 'team-a2' }, { stage: 'team-a2' }],
    [
      'the limits of ElastiCache',
      { cacheMaxGiB: '50', cacheMaxEcpuPerSecond: '250000' },
      { backend: { kind: 'elasticache', maxGiB: 50, maxEcpuPerSecond: 250_000 } },
    ],
    [
      'Dragonfly',
      { backend: 'dragonfly' },
      { backend: { kind: 'dragonfly', cpu: 1, memoryGiB: 4, image: undefined } },
    ],
    [
      'the size of Dragonfly',
      { backend: 'dragonfly', dragonflyCpu: '8', dragonflyMemoryGiB: '24' },
      { backend: { kind: 'dragonfly', cpu: 8, memoryGiB: 24, image: undefined } },
    ],
    [
      'the minimum memory of a large Dragonfly',
      { backend: 'dragonfly', dragonflyCpu: 16 },
      { backend: { kind: 'dragonfly', cpu: 16, memoryGiB: 32, image: undefined } },
    ],
    [
      'nodes of ElastiCache, which wait for a replica',
      { backend: 'elasticache-nodes' },
      {
        backend: {
          kind: 'elasticache-nodes',
          nodeType: 'cache.t4g.small',
          shards: 1,
          maxShards: undefined,
          replicas: 1,
        },
        service: { WAIT_REPLICAS: '1' },
      },
    ],
    [
      'shards that scale',
      { ...NODES, nodeType: 'cache.r7g.2xlarge', nodeShards: '2', nodeMaxShards: '6', nodeReplicas: 2 },
      { backend: { nodeType: 'cache.r7g.2xlarge', shards: 2, maxShards: 6, replicas: 2 } },
    ],
    ['nodes without replicas', { ...NODES, nodeReplicas: 0 }, { service: { WAIT_REPLICAS: '0' } }],
    [
      'nodes without replicas in one subnet',
      { ...NODES, ...VPC, nodeReplicas: 0, subnetIds: 'subnet-12345678' },
      { network: { subnetIds: ['subnet-12345678'] } },
    ],
    [
      'an existing cache',
      EXTERNAL,
      { backend: { kind: 'external', login: { secretArn: SECRET } }, network: undefined },
    ],
    [
      'an existing serverless cache with IAM login',
      IAM,
      {
        backend: {
          kind: 'external',
          login: {
            cacheArn: IAM.externalIamCache,
            userArn: 'arn:aws:elasticache:eu-west-1:123456789012:user:cache-1',
            url: IAM.externalIamUrl,
          },
        },
      },
    ],
    [
      'an existing replication group that is no cluster, with IAM login',
      { ...IAM, externalIamCache: GROUP, externalIamUrl: 'rediss://cache@master.x.cache.amazonaws.com:6379' },
      { backend: { login: { cacheArn: GROUP } } },
    ],
    [
      'an existing cache in a VPC',
      { ...EXTERNAL, ...VPC },
      {
        backend: { kind: 'external', login: { secretArn: SECRET } },
        network: { ...VPC, subnetIds: ['subnet-0123456789abcdef0', 'subnet-12345678'] },
      },
    ],
    ['no cache', { backend: 'memory' }, { backend: { kind: 'memory' } }],
    [
      'tokens',
      JWT,
      {
        authorization: {
          kind: 'jwt',
          issuer: 'https://login.example.com/',
          audience: ['cache', 'other'],
          tenantClaim: 'tenant_id',
        },
      },
    ],
    ['another claim', { ...JWT, jwtTenantClaim: 'org' }, { authorization: { tenantClaim: 'org' } }],
    ['no authorization', { authorization: 'none' }, { authorization: { kind: 'none' } }],
    ['a retention', { logRetentionDays: 365 }, { logRetentionDays: 365 }],
    ['an address for alarms', { alarmEmail: 'on-call@example.com' }, { alarmEmail: 'on-call@example.com' }],
    ['a topic for alarms', { alarmTopicArn: TOPIC }, { alarmTopicArn: TOPIC }],
    ['a rate of misses', { alarmMissRate: 90 }, { alarmMissRate: 90 }],
    [
      'reserved sandboxes of each function',
      { reservedConcurrency: '20' },
      { reservedConcurrency: Object.fromEntries(operations.map((name) => [name, 20])) },
    ],
    [
      'reserved sandboxes of some functions',
      { reservedConcurrency: 'get=200, batch-get=50' },
      { reservedConcurrency: { get: 200, 'batch-get': 50 } },
    ],
    [
      'more reserved sandboxes than the default quota',
      { reservedConcurrency: ['get=1900'], accountConcurrency: 2000 },
      { reservedConcurrency: { get: 1900 } },
    ],
    [
      'provisioned sandboxes of get',
      { getProvisionedConcurrency: '450' },
      { getProvisionedConcurrency: 450, reservedConcurrency: {} },
    ],
    [
      'provisioned sandboxes of get for two versions within its reservation',
      { getProvisionedConcurrency: 10, reservedConcurrency: 'get=20' },
      { getProvisionedConcurrency: 10, reservedConcurrency: { get: 20 } },
    ],
    [
      'more provisioned sandboxes than the default quota',
      { getProvisionedConcurrency: 900, accountConcurrency: 2000 },
      { getProvisionedConcurrency: 900 },
    ],
    [
      'a traffic shift',
      { trafficShift: 'Canary10Percent5Minutes' },
      { trafficShift: 'Canary10Percent5Minutes' },
    ],
    ['aliases that move at once', { trafficShift: 'AllAtOnce' }, { trafficShift: 'AllAtOnce' }],
    ['a rate', { throttleRate: '50' }, { throttle: { rate: 50, burst: 100 } }],
    [
      'a burst',
      { sweepThrottleRate: '1', sweepThrottleBurst: '9' },
      { sweepThrottle: { rate: 1, burst: 9 } },
    ],
    [
      'origins',
      { corsOrigins: ['https://a.example', 'http://localhost:3000'] },
      { corsOrigins: ['https://a.example', 'http://localhost:3000'] },
    ],
    ['a domain', DOMAIN, { domain: { name: 'cache.example.com', certificateArn: DOMAIN.certificateArn } }],
    ['tracing', { tracing: 'true' }, { tracing: true }],
    [
      'a broker',
      { ...EXTERNAL, natsUrl: 'tls://a:4222,b:4222', natsSecretArn: SECRET },
      { events: { url: 'tls://a:4222,b:4222', secretArn: SECRET } },
    ],
    [
      'a collector',
      { ...COLLECTOR, OTEL_TRACES_SAMPLER_ARG: 0.1 },
      {
        service: {
          ENABLE_OTEL: 'true',
          OTEL_EXPORTER_OTLP_ENDPOINT: 'https://otlp.example.com',
          OTEL_TRACES_SAMPLER_ARG: '0.1',
        },
      },
    ],
    [
      'a broker whose URL is in its secret',
      { backend: 'memory', natsSecretArn: SECRET },
      { events: { url: undefined, secretArn: SECRET } },
    ],
    [
      'the settings of the service',
      { CACHE_SHARDS: 4, LOG_LEVEL: 'DEBUG' },
      { service: { CACHE_SHARDS: '4', LOG_LEVEL: 'DEBUG' } },
    ],
    ['nothing by an empty value', { alarmEmail: '', backend: ' ', natsUrl: '' }, { alarmEmail: undefined }],
    ['nothing by a feature that is off', { ENABLE_NATS: 'false', perTenantSandboxes: false }, {}],
  ])('give %s', (_, context, expected) => {
    expect(readSettings(context)).toMatchObject(expected);
  });

  it('ignore what the CDK stores in its context', () => {
    const { context } = JSON.parse(readFileSync(join(ROOT, 'cdk.json'), 'utf8'));
    const looks = {
      'aws:cdk:enable-path-metadata': true,
      'availability-zones:account=1:region=x': ['x1'],
      'acknowledged-issue-numbers': [1],
    };
    expect(readSettings({ ...context, ...looks })).toEqual(readSettings({}));
  });

  it('determine the name of the stack, the short one for prod', () => {
    expect(stackId({ stage: 'prod' })).toBe('CacheService');
    expect(stackId({ stage: 'dev' })).toBe('CacheService-dev');
  });
});
