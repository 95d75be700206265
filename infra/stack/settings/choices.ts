import { parseNatsUrl } from '../../../lib/config/nats-url.ts';
import {
  ConfigError,
  type Environment,
  integer,
  list,
  oneOf,
  shaped,
  url,
} from '../../../lib/config/parse.ts';
import type {
  AuthorizationSettings,
  BackendSettings,
  DragonflySettings,
  EventSettings,
  ExternalNetwork,
} from './types.ts';

/** A complete ARN ends with six random characters. A policy for a shorter one would match no secret. */
const SECRET_ARN = /^arn:[a-z-]+:secretsmanager:[a-z0-9-]+:\d{12}:secret:\S+-[A-Za-z0-9]{6}$/;
const A_SECRET = "a secret's complete ARN";

/** A required {@link shaped}. @param condition the settings with which it is required @throws ConfigError */
function required(
  given: Environment,
  name: string,
  shape: RegExp,
  description: string,
  condition: string,
): string {
  const value = shaped(given, name, shape, description);
  if (value === undefined) throw new ConfigError(name, `must be set with ${condition}: ${description}`);
  return value;
}

/** @throws ConfigError */
export function readBackend(given: Environment): BackendSettings {
  const kind = oneOf(given, 'backend', ['elasticache', 'dragonfly', 'external', 'memory'], 'elasticache');
  switch (kind) {
    case 'elasticache':
      return {
        kind,
        maxGiB: integer(given, 'cacheMaxGiB', 5, 1, 5000),
        maxEcpuPerSecond: integer(given, 'cacheMaxEcpuPerSecond', 10_000, 1000, 15_000_000),
      };
    case 'dragonfly':
      return { kind, ...readSize(given), image: readImage(given) };
    case 'external':
      return {
        kind,
        secretArn: required(given, 'externalSecretArn', SECRET_ARN, A_SECRET, 'backend=external'),
        network: readNetwork(given),
      };
    case 'memory':
      return { kind };
  }
}

/** Task sizes of Fargate: by number of vCPUs, the range and the step of GiB. */
const TASK_SIZES: Record<string, readonly [from: number, to: number, step: number]> = {
  '1': [2, 8, 1],
  '2': [4, 16, 1],
  '4': [8, 30, 1],
  '8': [16, 60, 4],
  '16': [32, 120, 8],
};

function readSize(given: Environment): Pick<DragonflySettings, 'cpu' | 'memoryGiB'> {
  const cpu = oneOf(given, 'dragonflyCpu', Object.keys(TASK_SIZES), '1');
  const [from, to, step] = TASK_SIZES[cpu] ?? [0, 0, 1];
  const memoryGiB = integer(given, 'dragonflyMemoryGiB', Math.max(4, from), from, to);
  if ((memoryGiB - from) % step !== 0) {
    throw new ConfigError(
      'dragonflyMemoryGiB',
      `must be ${from} and a multiple of ${step} with dragonflyCpu=${cpu}`,
    );
  }
  return { cpu: Number(cpu), memoryGiB };
}

function readImage(given: Environment): string | undefined {
  return shaped(
    given,
    'dragonflyImage',
    /^\d{12}\.dkr\.ecr\.[a-z0-9-]+\.amazonaws\.com(\.cn)?\/[a-z0-9._/-]+:[\w.-]+$/,
    'ACCOUNT.dkr.ecr.REGION.amazonaws.com/NAME:TAG',
  );
}

function readNetwork(given: Environment): ExternalNetwork | undefined {
  const names = ['vpcId', 'subnetIds', 'securityGroupId'];
  const missing = names.filter((name) => given[name] === undefined);
  if (missing.length === names.length) return undefined;
  if (missing[0])
    throw new ConfigError(missing[0], `must also be set: ${names.join(', ')} are required together`);
  const id = (kind: string) => new RegExp(`^${kind}-[0-9a-f]{8,17}$`);
  const together = 'the others';
  return {
    vpcId: required(given, 'vpcId', id('vpc'), "a VPC's id", together),
    subnetIds: list(given, 'subnetIds', id('subnet'), 'ids of subnets'),
    securityGroupId: required(given, 'securityGroupId', id('sg'), "a security group's id", together),
  };
}

/** @throws ConfigError */
export function readEvents(given: Environment): EventSettings | undefined {
  const brokerUrl = given.natsUrl;
  const secretArn = shaped(given, 'natsSecretArn', SECRET_ARN, A_SECRET);
  if (brokerUrl === undefined && secretArn === undefined) return undefined;
  if (brokerUrl?.includes('@')) {
    throw new ConfigError(
      'natsUrl',
      'must not contain a login, which would be readable in the template: use natsSecretArn',
    );
  }
  url(given, 'natsUrl', parseNatsUrl);
  return { url: brokerUrl, secretArn };
}

/** @throws ConfigError */
export function readAuthorization(given: Environment): AuthorizationSettings {
  const kind = oneOf(given, 'authorization', ['iam', 'jwt', 'none'], 'iam');
  if (kind !== 'jwt') return { kind };
  const audience = list(given, 'jwtAudience', /^\S+$/, 'audiences');
  if (audience.length === 0) throw new ConfigError('jwtAudience', 'must be set with authorization=jwt');
  return {
    kind,
    issuer: required(
      given,
      'jwtIssuer',
      /^https:\/\/[^\s?#]+$/,
      "the issuer's https:// URL",
      'authorization=jwt',
    ),
    audience,
    tenantClaim: shaped(given, 'jwtTenantClaim', /^[\w:./-]{1,128}$/, "a claim's name") ?? 'tenant_id',
  };
}
