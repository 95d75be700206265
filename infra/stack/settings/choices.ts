import { parseNatsUrl } from '../../../lib/config/nats-url.ts';
import { ConfigError } from '../../../lib/config/parse.ts';
import type { SettingsReader } from './reader.ts';
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

/** @throws ConfigError */
export function readBackend(read: SettingsReader): BackendSettings {
  const kind = read.oneOf('backend', ['elasticache', 'dragonfly', 'external', 'memory'], 'elasticache');
  switch (kind) {
    case 'elasticache':
      return {
        kind,
        maxGiB: read.integer('cacheMaxGiB', 5, 1, 5000),
        maxEcpuPerSecond: read.integer('cacheMaxEcpuPerSecond', 10_000, 1000, 15_000_000),
      };
    case 'dragonfly':
      return { kind, ...readSize(read), image: readImage(read) };
    case 'external':
      return {
        kind,
        secretArn: read.required('externalSecretArn', SECRET_ARN, A_SECRET, 'backend=external'),
        network: readNetwork(read),
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

function readSize(read: SettingsReader): Pick<DragonflySettings, 'cpu' | 'memoryGiB'> {
  const cpu = read.oneOf('dragonflyCpu', Object.keys(TASK_SIZES), '1');
  const [from, to, step] = TASK_SIZES[cpu] ?? [0, 0, 1];
  const memoryGiB = read.integer('dragonflyMemoryGiB', Math.max(4, from), from, to);
  if ((memoryGiB - from) % step !== 0) {
    throw new ConfigError(
      'dragonflyMemoryGiB',
      `must be ${from} and a multiple of ${step} with dragonflyCpu=${cpu}`,
    );
  }
  return { cpu: Number(cpu), memoryGiB };
}

function readImage(read: SettingsReader): string | undefined {
  return read.text(
    'dragonflyImage',
    /^\d{12}\.dkr\.ecr\.[a-z0-9-]+\.amazonaws\.com(\.cn)?\/[a-z0-9._/-]+:[\w.-]+$/,
    'ACCOUNT.dkr.ecr.REGION.amazonaws.com/NAME:TAG',
  );
}

function readNetwork(read: SettingsReader): ExternalNetwork | undefined {
  const names = ['vpcId', 'subnetIds', 'securityGroupId'];
  if (!names.some((name) => read.has(name))) return undefined;
  const missing = names.find((name) => !read.has(name));
  if (missing) throw new ConfigError(missing, `must also be set: ${names.join(', ')} are required together`);
  const id = (kind: string) => new RegExp(`^${kind}-[0-9a-f]{8,17}$`);
  const together = 'the others';
  return {
    vpcId: read.required('vpcId', id('vpc'), "a VPC's id", together),
    subnetIds: read.list('subnetIds', id('subnet'), 'ids of subnets'),
    securityGroupId: read.required('securityGroupId', id('sg'), "a security group's id", together),
  };
}

/** @throws ConfigError */
export function readEvents(read: SettingsReader): EventSettings | undefined {
  const url = read.text('natsUrl', /./, "the broker's URL");
  const secretArn = read.text('natsSecretArn', SECRET_ARN, A_SECRET);
  if (url === undefined) return secretArn === undefined ? undefined : { url, secretArn };
  if (url.includes('@')) {
    throw new ConfigError(
      'natsUrl',
      'must not contain a login, which would be readable in the template: use natsSecretArn',
    );
  }
  try {
    parseNatsUrl(url);
  } catch (error) {
    throw new ConfigError('natsUrl', (error as Error).message);
  }
  return { url, secretArn };
}

/** @throws ConfigError */
export function readAuthorization(read: SettingsReader): AuthorizationSettings {
  const kind = read.oneOf('authorization', ['iam', 'jwt', 'none'], 'iam');
  if (kind !== 'jwt') return { kind };
  const audience = read.list('jwtAudience', /^\S+$/, 'audiences');
  if (audience.length === 0) throw new ConfigError('jwtAudience', 'must be set with authorization=jwt');
  return {
    kind,
    issuer: read.required(
      'jwtIssuer',
      /^https:\/\/[^\s?#]+$/,
      "the issuer's https:// URL",
      'authorization=jwt',
    ),
    audience,
    tenantClaim: read.text('jwtTenantClaim', /^[\w:./-]{1,128}$/, "a claim's name") ?? 'tenant_id',
  };
}
