import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { readSettings } from '../../infra/stack/settings/settings.ts';
import type { CacheStack } from '../../infra/stack/stack.ts';
import { ConfigError } from '../../lib/config/parse.ts';
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
import { BACKENDS, construct, EXTERNAL_IAM, synthesize } from './synthesize.ts';

const ROOT = resolve(import.meta.dirname, '../..');

describe('invalid settings of a deployment', () => {
  it.each<[name: string, problem: RegExp, context: Record<string, unknown>]>([
    ['stag', /is not a setting\. The settings are stage, /, { stag: 'dev' }],
    ['Stage', /is not a setting/, { Stage: 'dev' }],
    ['stage', /not "Prod"/, { stage: 'Prod' }],
    ['stage', /single hyphens/, { stage: 'a--b' }],
    ['stage', /single hyphens/, { stage: 'dev-' }],
    ['stage', /up to 15/, { stage: 'a'.repeat(17) }],
    ['stage', /not an object/, { stage: { name: 'dev' } }],
    [
      'backend',
      /one of elasticache, elasticache-nodes, dragonfly, external, memory, not "redis"/,
      { backend: 'redis' },
    ],
    ['authorization', /one of iam, jwt, none/, { authorization: 'open' }],
    ['cacheMaxGiB', /whole number from 1 to 5000/, { cacheMaxGiB: '0' }],
    ['cacheMaxGiB', /whole number/, { cacheMaxGiB: '1.5' }],
    ['cacheMaxEcpuPerSecond', /from 1000 /, { cacheMaxEcpuPerSecond: '999' }],
    ['cacheMaxGiB', /only with backend=elasticache/, { backend: 'memory', cacheMaxGiB: '1' }],
    ['dragonflyCpu', /one of 1, 2, 4, 8, 16/, { backend: 'dragonfly', dragonflyCpu: '3' }],
    ['dragonflyMemoryGiB', /from 2 to 8/, { backend: 'dragonfly', dragonflyMemoryGiB: '9' }],
    [
      'dragonflyMemoryGiB',
      /multiple of 4/,
      { backend: 'dragonfly', dragonflyCpu: 8, dragonflyMemoryGiB: 17 },
    ],
    ['dragonflyImage', /dkr\.ecr/, { backend: 'dragonfly', dragonflyImage: 'dragonfly:latest' }],
    ['dragonflyImage', /only with backend=dragonfly/, { dragonflyImage: 'x' }],
    ['externalSecretArn', /must be set with backend=external/, { backend: 'external' }],
    ['externalSecretArn', /complete ARN/, { ...EXTERNAL, externalSecretArn: SECRET.slice(0, -7) }],
    ['externalSecretArn', /complete ARN/, { ...EXTERNAL, externalSecretArn: 'redis://:pw@host:6379' }],
    ['subnetIds', /are required together/, { ...EXTERNAL, ...VPC, subnetIds: undefined }],
    ['subnetIds', /ids of subnets/, { ...EXTERNAL, ...VPC, subnetIds: 'subnet-1' }],
    ['vpcId', /only with backend=elasticache or /, { backend: 'memory', ...VPC }],
    ['subnetIds', /each subnet once/, { ...VPC, subnetIds: 'subnet-12345678,subnet-12345678' }],
    ['subnetIds', /2 to 3 subnets, each in another zone/, { ...VPC, subnetIds: 'subnet-12345678' }],
    [
      'subnetIds',
      /2 to 3 subnets/,
      { ...VPC, subnetIds: ['1', '2', '3', '4'].map((digit) => `subnet-1234567${digit}`) },
    ],
    ['subnetIds', /at least 2 subnets/, { ...NODES, ...VPC, subnetIds: 'subnet-12345678' }],
    ['availabilityZones', /no effect with vpcId/, { ...VPC, availabilityZones: 'us-east-1a,us-east-1b' }],
    ['nodeType', /a node type such as cache\.t4g\.small/, { ...NODES, nodeType: 't4g.small' }],
    ['nodeType', /data tiering/, { ...NODES, nodeType: 'cache.r6gd.xlarge' }],
    ['nodeType', /only with backend=elasticache-nodes/, { nodeType: 'cache.t4g.small' }],
    ['nodeShards', /from 1 to 500/, { ...NODES, nodeShards: 0 }],
    ['nodeShards', /nodeReplicas=1 means 502 nodes, of at most 500/, { ...NODES, nodeShards: 251 }],
    ['nodeReplicas', /from 0 to 5/, { ...NODES, nodeReplicas: 6 }],
    ['nodeMaxShards', /no effect with nodeType=cache\.t4g\.small/, { ...NODES, nodeMaxShards: 5 }],
    [
      'nodeMaxShards',
      /no effect with nodeType=cache\.r7g\.4xlarge/,
      { ...NODES, nodeType: 'cache.r7g.4xlarge', nodeMaxShards: 5 },
    ],
    [
      'nodeMaxShards',
      /from 4 to 250/,
      { ...NODES, nodeType: 'cache.r7g.large', nodeShards: 3, nodeMaxShards: 3 },
    ],
    [
      'nodeMaxShards',
      /means 600 nodes/,
      { ...NODES, nodeType: 'cache.r7g.large', nodeReplicas: 2, nodeMaxShards: 200 },
    ],
    ['WAIT_REPLICAS', /at most nodeReplicas, which is 1/, { ...NODES, WAIT_REPLICAS: 2 }],
    ['WAIT_REPLICAS', /whole number/, { ...NODES, WAIT_REPLICAS: 'all' }],
    ['WAIT_REPLICAS', /ElastiCache Serverless has no WAIT/, { ...IAM, WAIT_REPLICAS: '1' }],
    ['externalIamUrl', /must be set with externalIamCache/, { ...IAM, externalIamUrl: undefined }],
    ['externalIamCache', /must be set with externalIamUrl/, { ...IAM, externalIamCache: undefined }],
    ['externalIamCache', /ARN of an ElastiCache serverless cache/, { ...IAM, externalIamCache: 'my-cache' }],
    [
      'externalIamCache',
      /ARN of an ElastiCache serverless cache/,
      { ...IAM, externalIamCache: `${GROUP.replace('replicationgroup', 'user')}` },
    ],
    [
      'externalSecretArn',
      /cannot be set together with externalIamCache/,
      { ...IAM, externalSecretArn: SECRET },
    ],
    ['externalIamUrl', /must not contain a password/, { ...IAM, externalIamUrl: 'valkeys://u:pw@host' }],
    ['externalIamUrl', /must begin with valkeys/, { ...IAM, externalIamUrl: 'valkey://u@host' }],
    ['externalIamUrl', /id of an ElastiCache user/, { ...IAM, externalIamUrl: 'valkeys://host' }],
    ['externalIamUrl', /id of an ElastiCache user/, { ...IAM, externalIamUrl: 'valkeys://u_1@host' }],
    ['externalIamUrl', /must end with \?cluster=true/, { ...IAM, externalIamUrl: 'valkeys://u@host' }],
    ['externalIamUrl', /must look like/, { ...IAM, externalIamUrl: 'host:6379' }],
    [
      'vpcId',
      /must be set with externalIamCache/,
      { ...IAM, vpcId: undefined, subnetIds: undefined, securityGroupId: undefined },
    ],
    ['externalIamCache', /only with backend=external/, { externalIamCache: GROUP }],
    ['MEMORY_MAX_BYTES', /only with backend=memory/, { MEMORY_MAX_BYTES: '1048576' }],
    ['WAIT_REPLICAS', /only with backend=elasticache-nodes or backend=external/, { WAIT_REPLICAS: '1' }],
    ['jwtIssuer', /must be set with authorization=jwt/, { ...JWT, jwtIssuer: undefined }],
    ['jwtIssuer', /https:/, { ...JWT, jwtIssuer: 'http://login.example.com' }],
    ['jwtAudience', /must be set with authorization=jwt/, { ...JWT, jwtAudience: '' }],
    ['jwtTenantClaim', /claim/, { ...JWT, jwtTenantClaim: 'a claim' }],
    ['jwtIssuer', /only with authorization=jwt/, { ...JWT, authorization: 'iam' }],
    ['logRetentionDays', /one of 1, 3, 5, 7/, { logRetentionDays: '31' }],
    ['alarmEmail', /e-mail/, { alarmEmail: 'on-call' }],
    ['reservedConcurrency', /whole number/, { reservedConcurrency: '0' }],
    ['reservedConcurrency', /a list such as get=200/, { reservedConcurrency: 'get' }],
    ['reservedConcurrency', /a list such as get=200/, { reservedConcurrency: 'get=0' }],
    ['reservedConcurrency', /a list such as get=200/, { reservedConcurrency: 'gett=20' }],
    ['reservedConcurrency', /reserves 901 of at most 900/, { reservedConcurrency: 'get=800,set=101' }],
    ['reservedConcurrency', /of at most 900/, { reservedConcurrency: 100 }],
    ['reservedConcurrency', /of at most 100/, { reservedConcurrency: 'get=101', accountConcurrency: 200 }],
    ['reservedConcurrency', /must contain get once/, { reservedConcurrency: 'get=200,get=5' }],
    ['getProvisionedConcurrency', /whole number from 1/, { getProvisionedConcurrency: '0' }],
    [
      'getProvisionedConcurrency',
      /at most 10, half of the 21 that reservedConcurrency has for get/,
      { getProvisionedConcurrency: 11, reservedConcurrency: 'get=21' },
    ],
    [
      'getProvisionedConcurrency',
      /at most 400, half of what accountConcurrency leaves/,
      { getProvisionedConcurrency: 401, reservedConcurrency: 'set=100' },
    ],
    ['trafficShift', /one of AllAtOnce, Canary10Percent5Minutes, /, { trafficShift: 'Canary' }],
    ['accountConcurrency', /whole number/, { accountConcurrency: '100' }],
    ['accountConcurrency', /only with reservedConcurrency/, { accountConcurrency: '500' }],
    ['availabilityZones', /zones of one region/, { availabilityZones: 'us-east-1a,eu-west-1a' }],
    ['alarmTopicArn', /standard SNS topic's ARN/, { alarmTopicArn: 'alarms' }],
    [
      'alarmEmail',
      /no effect with alarmTopicArn/,
      { alarmTopicArn: TOPIC, alarmEmail: 'on-call@example.com' },
    ],
    ['alarmMissRate', /whole number/, { alarmMissRate: 101 }],
    ['throttleRate', /whole number/, { throttleRate: '-1' }],
    ['sweepThrottleBurst', /whole number/, { sweepThrottleBurst: 'many' }],
    ['corsOrigins', /origins/, { corsOrigins: 'https://a.example/path' }],
    ['domainName', /must also be set/, { certificateArn: DOMAIN.certificateArn }],
    ['certificateArn', /must also be set/, { domainName: 'cache.example.com' }],
    ['domainName', /lower case/, { ...DOMAIN, domainName: 'https://cache.example.com' }],
    ['certificateArn', /ACM certificate's ARN/, { ...DOMAIN, certificateArn: 'certificate' }],
    ['tracing', /one of true, false/, { tracing: 'yes' }],
    ['BACKEND_TIMEOUT_MS', /at most 4000/, { BACKEND_TIMEOUT_MS: '4001' }],
    ['BACKEND_CONNECT_TIMEOUT_MS', /from 50 to 450/, { BACKEND_CONNECT_TIMEOUT_MS: '451' }],
    ['BACKEND_TIMEOUT_MS', /only with backend=/, { backend: 'memory', BACKEND_TIMEOUT_MS: '2000' }],
    ['MAX_VALUE_BYTES', /at most 5242880/, { MAX_VALUE_BYTES: '5242881' }],
    ['MAX_TTL_SECONDS', /whole number/, { MAX_TTL_SECONDS: 'long' }],
    ['SERVICE_NAME', /ASCII/, { SERVICE_NAME: 'größe' }],
    ['SERVICE_NAME', /at most 255/, { SERVICE_NAME: 'a'.repeat(256) }],
    ['availabilityZones', /each zone once/, { availabilityZones: 'us-east-1a,us-east-1a' }],
    [
      'availabilityZones',
      /must be 2 to 3 zones with backend=elasticache/,
      { availabilityZones: 'us-east-1a,us-east-1b,us-east-1c,us-east-1d' },
    ],
    [
      'availabilityZones',
      /must be 1 to 2 zones with backend=dragonfly/,
      { backend: 'dragonfly', availabilityZones: ['us-east-1a', 'us-east-1b', 'us-east-1c'] },
    ],
    ['DRAGONFLY_URL', /externalSecretArn/, { DRAGONFLY_URL: 'redis://:pw@host:6379' }],
    ['natsUrl', /only with backend=external or backend=memory or vpcId/, { natsUrl: 'nats://host:4222' }],
    ['natsSecretArn', /only with backend=external/, { natsSecretArn: SECRET }],
    ['natsUrl', /must not contain a login/, { ...EXTERNAL, natsUrl: 'nats://u:pw@host:4222' }],
    ['natsUrl', /must look like nats:/, { ...EXTERNAL, natsUrl: 'host:4222' }],
    ['natsSecretArn', /complete ARN/, { ...EXTERNAL, natsSecretArn: SECRET.slice(0, -7) }],
    ['ENABLE_NATS', /natsUrl or natsSecretArn/, { ENABLE_NATS: 'true' }],
    ['NATS_URL', /natsUrl or natsSecretArn/, { NATS_URL: 'nats://host:4222' }],
    ['NATS_SECRET_ARN', /natsUrl or natsSecretArn/, { NATS_SECRET_ARN: SECRET }],
    ['NATS_CREDS', /natsSecretArn/, { NATS_CREDS: '-----BEGIN NATS USER JWT-----' }],
    ['otelEndpoint', /only with backend=external or backend=memory/, { otelEndpoint: 'https://host:4318' }],
    ['otelEndpoint', /collector's URL/, { ...EXTERNAL, otelEndpoint: 'host:4318' }],
    ['otelEndpoint', /not a URL with a login/, { ...EXTERNAL, otelEndpoint: 'https://u:hunter2@host' }],
    ['ENABLE_OTEL', /otelEndpoint turns traces on/, { ENABLE_OTEL: true }],
    ['OTEL_EXPORTER_OTLP_ENDPOINT', /otelEndpoint/, { OTEL_EXPORTER_OTLP_ENDPOINT: 'https://host' }],
    ['OTEL_EXPORTER_OTLP_HEADERS', /password/, { OTEL_EXPORTER_OTLP_HEADERS: 'authorization=x' }],
    ['OTEL_TRACES_SAMPLER_ARG', /only with otelEndpoint/, { OTEL_TRACES_SAMPLER_ARG: '0.1' }],
    ['OTEL_TRACES_SAMPLER_ARG', /from 0 to 1/, { ...COLLECTOR, OTEL_TRACES_SAMPLER_ARG: '2' }],
    ['perTenantSandboxes', /HTTP API/, { perTenantSandboxes: 'true' }],
  ])('are rejected with one line that names %s: %s', (name, problem, context) => {
    const read = () => readSettings(context);
    expect(read).toThrow(ConfigError);
    expect(read).toThrow(problem);
    expect(read).toThrow(new RegExp(`^${name} [^\\n]+$`));
  });

  it('are rejected without repeating a password in the message', () => {
    const url = 'redis://user:hunter2@host:6379';
    expect(() => readSettings({ DRAGONFLY_URL: url })).not.toThrow(/hunter2/);
    expect(() => readSettings({ ...EXTERNAL, externalSecretArn: url })).not.toThrow(/hunter2/);
    expect(() => readSettings({ ...IAM, externalIamUrl: url })).not.toThrow(/hunter2/);
    expect(() => readSettings({ ...IAM, externalIamCache: url })).not.toThrow(/hunter2/);
    expect(() => readSettings({ ...EXTERNAL, natsUrl: 'user:hunter2@host' })).not.toThrow(/hunter2/);
  });

  it('stop the synthesis with one line', async () => {
    const outdir = mkdtempSync(join(tmpdir(), 'cache-settings-'));
    const run = promisify(execFile)(process.execPath, [join(ROOT, 'infra/stack/app.ts')], {
      env: { CDK_CONTEXT_JSON: JSON.stringify({ cacheMaxGb: 3 }), CDK_OUTDIR: outdir },
    });
    await expect(run).rejects.toMatchObject({
      code: 1,
      stdout: '',
      stderr: expect.stringMatching(/^cacheMaxGb is not a setting\. [^\n]+\n$/),
    });
    expect(existsSync(join(outdir, 'manifest.json'))).toBe(false);
    rmSync(outdir, { recursive: true });
  });
});

/** The errors for which the CDK refuses to synthesize the stack. */
const errorsIn = (stack: CacheStack) =>
  stack.node.findAll().flatMap(({ node }) => node.metadata.filter(({ type }) => type === 'aws:cdk:error'));

describe('a setting that names a region', () => {
  it.each([
    ['alarmTopicArn', { alarmTopicArn: 'arn:aws:sns:eu-west-1:123456789012:on-call' }],
    [
      'certificateArn',
      {
        domainName: 'cache.example.com',
        certificateArn: 'arn:aws:acm:eu-west-1:123456789012:certificate/0a1b2c3d-0000-1111-2222-333344445555',
      },
    ],
    ['availabilityZones', { backend: 'elasticache', availabilityZones: 'eu-west-1a,eu-west-1b' }],
    [
      'externalIamCache',
      { ...EXTERNAL_IAM, externalIamCache: EXTERNAL_IAM.externalIamCache.replace('us-east-1', 'eu-west-1') },
    ],
    [
      'dragonflyImage',
      {
        backend: 'dragonfly',
        dragonflyImage: '123456789012.dkr.ecr.eu-west-1.amazonaws.com/mirror/dragonfly:v1.40.1',
      },
    ],
  ])('must name that of the stack, if it is known: %s', (name, context) => {
    const inRegion = (region: string) => ({ env: { account: '123456789012', region } });
    const given = { ...BACKENDS.memory, ...context };
    expect(() => synthesize(given, inRegion('us-east-1'))).toThrow(
      `${name} must be in the stack's region, us-east-1`,
    );
    // Without a synthesis, which would take most of the test's time.
    expect(errorsIn(construct(given, inRegion('us-east-1')).stack)).toHaveLength(1);
    for (const props of [inRegion('eu-west-1'), {}]) {
      expect(errorsIn(construct(given, props).stack)).toEqual([]);
    }
  });
});
