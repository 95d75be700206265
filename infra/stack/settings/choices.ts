import { parseBackendUrl } from '../../../lib/config/backend-url.ts';
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
  ElastiCacheNodesSettings,
  EventSettings,
  ExistingNetwork,
  IamLogin,
  SecretLogin,
} from './types.ts';

/** A complete ARN ends with six random characters. A policy for a shorter one would match no secret. */
export const SECRET_ARN = /^arn:[a-z-]+:secretsmanager:[a-z0-9-]+:\d{12}:secret:\S+-[A-Za-z0-9]{6}$/;
export const A_SECRET = "a secret's complete ARN";

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
  const kinds = ['elasticache', 'elasticache-nodes', 'dragonfly', 'external', 'memory'] as const;
  const kind = oneOf(given, 'backend', kinds, 'elasticache');
  switch (kind) {
    case 'elasticache':
      return {
        kind,
        maxGiB: integer(given, 'cacheMaxGiB', 5, 1, 5000),
        maxEcpuPerSecond: integer(given, 'cacheMaxEcpuPerSecond', 10_000, 1000, 15_000_000),
      };
    case 'elasticache-nodes':
      return { kind, ...readNodes(given) };
    case 'dragonfly':
      return { kind, ...readSize(given), image: readImage(given) };
    case 'external':
      return { kind, login: readLogin(given) };
    case 'memory':
      return { kind };
  }
}

/** Quota of ElastiCache for the nodes of a cluster, after an increase. */
const MAX_NODES = 500;

/** Limit of Application Auto Scaling. */
const MAX_SCALED_SHARDS = 250;

/** The only node types that Application Auto Scaling accepts. Source: "Auto Scaling Valkey and Redis OSS clusters", ElastiCache guide. */
const SCALABLE = /^cache\.(r7g|r6g|r5|m7g|m6g|m5|c7gn)\.(large|xlarge|2xlarge)$/;

function readNodes(given: Environment): Omit<ElastiCacheNodesSettings, 'kind'> {
  const nodeType =
    shaped(given, 'nodeType', /^cache\.[a-z]+\d[a-z]*\.\w+$/, 'a node type such as cache.t4g.small') ??
    'cache.t4g.small';
  if (nodeType.startsWith('cache.r6gd.')) {
    throw new ConfigError('nodeType', 'must not be an r6gd: the stack does not support data tiering');
  }
  const shards = integer(given, 'nodeShards', 1, 1, MAX_NODES);
  const replicas = integer(given, 'nodeReplicas', 1, 0, 5);
  const maxShards = integer(given, 'nodeMaxShards', undefined, shards + 1, MAX_SCALED_SHARDS);
  if (maxShards !== undefined && !SCALABLE.test(nodeType)) {
    throw new ConfigError(
      'nodeMaxShards',
      `has no effect with nodeType=${nodeType}: AWS scales large, xlarge and 2xlarge of r7g, r6g, r5, m7g, m6g, m5 and c7gn only`,
    );
  }
  const nodes = (maxShards ?? shards) * (1 + replicas);
  if (nodes > MAX_NODES) {
    const name = maxShards === undefined ? 'nodeShards' : 'nodeMaxShards';
    throw new ConfigError(
      name,
      `with nodeReplicas=${replicas} means ${nodes} nodes, of at most ${MAX_NODES}`,
    );
  }
  return { nodeType, shards, maxShards, replicas };
}

function readLogin(given: Environment): SecretLogin | IamLogin {
  if (given.externalIamCache === undefined && given.externalIamUrl === undefined) {
    const condition = 'backend=external, or externalIamCache and externalIamUrl instead';
    return { secretArn: required(given, 'externalSecretArn', SECRET_ARN, A_SECRET, condition) };
  }
  if (given.externalSecretArn !== undefined) {
    throw new ConfigError('externalSecretArn', 'cannot be set together with externalIamCache');
  }
  const cacheArn = required(
    given,
    'externalIamCache',
    /^arn:[a-z-]+:elasticache:[a-z0-9-]+:\d{12}:(serverlesscache|replicationgroup):[a-z][a-z0-9-]*$/,
    'the ARN of an ElastiCache serverless cache or replication group',
    'externalIamUrl',
  );
  const isServerless = cacheArn.includes(':serverlesscache:');
  const user = url(given, 'externalIamUrl', (text) => readIamUser(text, isServerless));
  if (user === undefined || given.externalIamUrl === undefined) {
    throw new ConfigError(
      'externalIamUrl',
      'must be set with externalIamCache: valkeys://USER@HOST:6379?cluster=true',
    );
  }
  const account = cacheArn.split(':').slice(0, 5).join(':');
  return { cacheArn, userArn: `${account}:user:${user}`, url: given.externalIamUrl };
}

/** @returns the user in the URL @throws Error whose message does not contain the URL */
function readIamUser(text: string, isServerless: boolean): string {
  const { username = '', password, tls, cluster } = parseBackendUrl(text);
  if (password !== undefined) {
    throw new Error('must not contain a password, which would be readable in the template: IAM needs none');
  }
  if (!tls) throw new Error('must begin with valkeys://: IAM needs TLS');
  if (!/^[a-z][a-z0-9-]*$/.test(username)) {
    throw new Error('must contain the id of an ElastiCache user in lower case: valkeys://USER@HOST:6379');
  }
  if (isServerless && !cluster)
    throw new Error('must end with ?cluster=true: serverless caches are clusters');
  return username;
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

/** @throws ConfigError */
export function readNetwork(given: Environment, backend: BackendSettings): ExistingNetwork | undefined {
  const names = ['vpcId', 'subnetIds', 'securityGroupId'];
  const missing = names.filter((name) => given[name] === undefined);
  if (missing.length === names.length) {
    if (backend.kind !== 'external' || !('cacheArn' in backend.login)) return undefined;
    throw new ConfigError(
      'vpcId',
      'must be set with externalIamCache: ElastiCache is reached from a VPC only',
    );
  }
  if (missing[0])
    throw new ConfigError(missing[0], `must also be set: ${names.join(', ')} are required together`);
  const id = (kind: string) => new RegExp(`^${kind}-[0-9a-f]{8,17}$`);
  const together = 'the others';
  const subnetIds = list(given, 'subnetIds', id('subnet'), 'ids of subnets').sort();
  if (new Set(subnetIds).size < subnetIds.length) {
    throw new ConfigError('subnetIds', 'must contain each subnet once');
  }
  const [min, max] = subnetCounts(backend);
  if (subnetIds.length < min || subnetIds.length > max) {
    const range = max === Infinity ? `at least ${min}` : `${min} to ${max}`;
    throw new ConfigError(
      'subnetIds',
      `must be ${range} subnets, each in another zone, with backend=${backend.kind}`,
    );
  }
  return {
    vpcId: required(given, 'vpcId', id('vpc'), "a VPC's id", together),
    subnetIds,
    securityGroupId: required(given, 'securityGroupId', id('sg'), "a security group's id", together),
  };
}

/** How many subnets a cache needs. ElastiCache Serverless accepts two or three, and replicas need another zone than their primary. */
export function subnetCounts(backend: BackendSettings): [min: number, max: number] {
  if (backend.kind === 'elasticache') return [2, 3];
  if (backend.kind === 'elasticache-nodes' && backend.replicas > 0) return [2, Infinity];
  return [1, Infinity];
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
