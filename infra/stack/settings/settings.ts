import { ORIGINS, readConfig } from '../../../lib/config/config.ts';
import { ConfigError, type Environment, integer, list, oneOf, shaped } from '../../../lib/config/parse.ts';
import { operations } from '../../build/functions.ts';
import { functionEnvironment, SERVICE_SETTINGS } from '../environment.ts';
import {
  A_SECRET,
  readAuthorization,
  readBackend,
  readEvents,
  readNetwork,
  SECRET_ARN,
  subnetCounts,
} from './choices.ts';
import {
  type BackendSettings,
  type DeploymentSettings,
  type ExistingNetwork,
  type Throttle,
  TRAFFIC_SHIFTS,
} from './types.ts';

/** The stage is part of resource names, which allow single hyphens between other characters only. */
const STAGE = /^(?=.{1,16}$)[a-z][a-z0-9]*(-[a-z0-9]+)*$/;

/** Retentions that CloudWatch Logs accepts. */
const RETENTION_DAYS = [
  1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653,
];

/** A setting with a value, or one that is set at all. */
type Choice = `${'backend' | 'authorization'}=${string}` | 'vpcId';

const BY_THE_STACK: Choice[] = ['backend=elasticache', 'backend=elasticache-nodes', 'backend=dragonfly'];
const SERVERS: Choice[] = [...BY_THE_STACK, 'backend=external'];
/** The networks that the stack creates have a route to the cache only. */
const WITH_A_WAY_OUT: Choice[] = ['backend=external', 'backend=memory', 'vpcId'];

/** Settings that have an effect only with these choices. With others they are rejected. */
const ONLY_WITH: Record<string, Choice | Choice[]> = {
  availabilityZones: BY_THE_STACK,
  cacheMaxGiB: 'backend=elasticache',
  cacheMaxEcpuPerSecond: 'backend=elasticache',
  nodeType: 'backend=elasticache-nodes',
  nodeShards: 'backend=elasticache-nodes',
  nodeMaxShards: 'backend=elasticache-nodes',
  nodeReplicas: 'backend=elasticache-nodes',
  dragonflyCpu: 'backend=dragonfly',
  dragonflyMemoryGiB: 'backend=dragonfly',
  dragonflyImage: 'backend=dragonfly',
  externalSecretArn: 'backend=external',
  externalIamCache: 'backend=external',
  externalIamUrl: 'backend=external',
  vpcId: SERVERS,
  subnetIds: SERVERS,
  securityGroupId: SERVERS,
  natsUrl: WITH_A_WAY_OUT,
  natsSecretArn: WITH_A_WAY_OUT,
  otelEndpoint: WITH_A_WAY_OUT,
  MEMORY_MAX_BYTES: 'backend=memory',
  BACKEND_TIMEOUT_MS: SERVERS,
  BACKEND_CONNECT_TIMEOUT_MS: SERVERS,
  // ElastiCache Serverless has no WAIT, and the stack's Dragonfly has no replicas.
  WAIT_REPLICAS: ['backend=elasticache-nodes', 'backend=external'],
  jwtIssuer: 'authorization=jwt',
  jwtAudience: 'authorization=jwt',
  jwtTenantClaim: 'authorization=jwt',
};

/** Settings of the service that require `otelEndpoint`. */
const TELEMETRY = ['OTEL_TRACES_SAMPLER_ARG', 'OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE'];

const NAMES: readonly string[] = [
  'stage',
  'backend',
  'authorization',
  'logRetentionDays',
  'alarmEmail',
  'alarmTopicArn',
  'alarmMissRate',
  'reservedConcurrency',
  'accountConcurrency',
  'getProvisionedConcurrency',
  'trafficShift',
  'throttleRate',
  'throttleBurst',
  'sweepThrottleRate',
  'sweepThrottleBurst',
  'corsOrigins',
  'domainName',
  'certificateArn',
  'tracing',
  ...Object.keys(ONLY_WITH),
  ...TELEMETRY,
  ...SERVICE_SETTINGS.filter((name) => !(name in ONLY_WITH)),
];

const EVENTS_BY_URL = 'cannot be set in a deployment: natsUrl or natsSecretArn turn events on';
const TRACES_BY_ENDPOINT = 'cannot be set in a deployment: otelEndpoint turns traces on';

/** Settings that the service or AWS has, but a deployment rejects, with the reason. */
const REJECTED: Record<string, string> = {
  DRAGONFLY_URL:
    'cannot be set in a deployment, because a password in it would be readable in the template: choose a backend, or use backend=external with externalSecretArn',
  ENABLE_NATS: EVENTS_BY_URL,
  NATS_URL: EVENTS_BY_URL,
  NATS_SECRET_ARN: EVENTS_BY_URL,
  NATS_CREDS:
    'cannot be set in a deployment, because they would be readable in the template: put them into a secret and set natsSecretArn',
  ENABLE_OTEL: TRACES_BY_ENDPOINT,
  OTEL_EXPORTER_OTLP_ENDPOINT: TRACES_BY_ENDPOINT,
  OTEL_EXPORTER_OTLP_HEADERS:
    'cannot be set in a deployment, because a password in it would be readable in the template: send to a collector of your own that adds it',
  perTenantSandboxes:
    'cannot be true: Lambda supports tenant isolation behind REST APIs only, and this is an HTTP API',
};

/**
 * Reads the settings of a deployment from the CDK's context: from `cdk.json`, or from `-c name=value`. An empty value counts as not
 * set.
 *
 * @throws ConfigError for the first setting that is unknown, malformed, missing, or without effect together with the others
 */
export function readSettings(context: Record<string, unknown>): DeploymentSettings {
  const given = readContext(context);
  const backend = readBackend(given);
  const authorization = readAuthorization(given);
  rejectUnused(given, [
    `backend=${backend.kind}`,
    `authorization=${authorization.kind}`,
    ...(given.vpcId === undefined ? [] : ['vpcId']),
  ]);
  const network = readNetwork(given, backend);
  rejectUnreachableLimits(given, backend, network);
  return {
    stage: shaped(given, 'stage', STAGE, 'a letter and up to 15 of a-z, 0-9 and single hyphens') ?? 'prod',
    backend,
    network,
    events: readEvents(given),
    authorization,
    availabilityZones: readZones(given, backend, network),
    logRetentionDays: Number(oneOf(given, 'logRetentionDays', RETENTION_DAYS.map(String), '30')),
    alarmEmail: shaped(given, 'alarmEmail', /^[^\s@]+@[^\s@]+\.[^\s@]+$/, 'an e-mail address'),
    alarmTopicArn: readTopic(given),
    alarmMissRate: integer(given, 'alarmMissRate', 50, 1, 100),
    ...readConcurrency(given),
    trafficShift:
      given.trafficShift === undefined
        ? undefined
        : oneOf(given, 'trafficShift', TRAFFIC_SHIFTS, 'AllAtOnce'),
    // A new account's quota is a thousand concurrent executions of all functions together.
    throttle: readThrottle(given, 'throttle', 1000),
    sweepThrottle: readThrottle(given, 'sweepThrottle', 10),
    corsOrigins: list(given, 'corsOrigins', ORIGINS.shape, ORIGINS.description),
    domain: readDomain(given),
    tracing: oneOf(given, 'tracing', ['true', 'false'], 'false') === 'true',
    service: readService({ ...given, ...readWaitReplicas(given, backend) }, readTelemetry(given)),
  };
}

/**
 * The settings with a value, as text: in `cdk.json` they have JSON types.
 *
 * @throws ConfigError for the first setting that is unknown, or an object
 */
function readContext(context: Record<string, unknown>): Record<string, string> {
  const given: Record<string, string> = {};
  for (const [name, value] of Object.entries(context).filter(([name]) => isOurs(name))) {
    const reason = REJECTED[name];
    if (reason === undefined && !NAMES.includes(name)) {
      throw new ConfigError(name, `is not a setting. The settings are ${NAMES.join(', ')}`);
    }
    const parts = [
      name === 'TENANT_LIMITS' && isObject(value) ? JSON.stringify(value) : (value ?? ''),
    ].flat();
    if (parts.some((part) => typeof part === 'object')) {
      throw new ConfigError(name, 'must be a single value or a list of values, not an object');
    }
    const text = parts.join(',').trim();
    if (text === '') continue;
    if (reason !== undefined && text.toLowerCase() !== 'false') throw new ConfigError(name, reason);
    given[name] = text;
  }
  return given;
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The context also contains feature flags, cached lookups and options of the CDK itself. */
function isOurs(name: string): boolean {
  return !/[@:/]/.test(name) && !['cli-telemetry', 'acknowledged-issue-numbers'].includes(name);
}

function rejectUnused(given: Environment, choices: string[]): void {
  for (const [name, only] of Object.entries(ONLY_WITH)) {
    const allowed = [only].flat();
    if (given[name] !== undefined && !allowed.some((choice) => choices.includes(choice))) {
      throw new ConfigError(name, `has an effect only with ${allowed.join(' or ')}`);
    }
  }
}

/** The networks of the stack reach Systems Manager, but no secret: that of Dragonfly has an endpoint for its own secrets only. */
function rejectUnreachableLimits(
  { TENANT_LIMITS = '' }: Environment,
  { kind }: BackendSettings,
  network: ExistingNetwork | undefined,
): void {
  if (!/^arn:[^:]*:secretsmanager:/.test(TENANT_LIMITS)) return;
  if (!SECRET_ARN.test(TENANT_LIMITS)) {
    throw new ConfigError('TENANT_LIMITS', `must be ${A_SECRET}, the ARN of an SSM parameter, or JSON`);
  }
  if (network || kind === 'external' || kind === 'memory') return;
  throw new ConfigError(
    'TENANT_LIMITS',
    'must be the ARN of an SSM parameter, or JSON: the network of the stack has no route to other secrets',
  );
}

/**
 * By default, removals wait for a replica if there is one: a failure of the primary promotes it, and it would return entries whose removal
 * it has not received.
 */
function readWaitReplicas(given: Environment, backend: BackendSettings): { WAIT_REPLICAS?: string } {
  if (
    backend.kind === 'external' &&
    'cacheArn' in backend.login &&
    /:serverlesscache:/.test(backend.login.cacheArn) &&
    Number(given.WAIT_REPLICAS) > 0
  ) {
    throw new ConfigError('WAIT_REPLICAS', 'must be 0: ElastiCache Serverless has no WAIT');
  }
  if (backend.kind !== 'elasticache-nodes') return {};
  const { replicas } = backend;
  const waitReplicas = integer(given, 'WAIT_REPLICAS', Math.min(1, replicas), 0, 15);
  if (waitReplicas > replicas) {
    throw new ConfigError('WAIT_REPLICAS', `must be at most nodeReplicas, which is ${replicas}`);
  }
  return { WAIT_REPLICAS: String(waitReplicas) };
}

/**
 * Maximum number of availability zones of the backend's network. ElastiCache Serverless accepts three. Dragonfly's task runs in one
 * zone: the second is for a failure of the first, and further ones would only cost.
 */
const MAX_ZONES: Record<BackendSettings['kind'], number> = {
  elasticache: 3,
  'elasticache-nodes': 3,
  dragonfly: 2,
  external: 0,
  memory: 0,
};

function readZones(
  given: Environment,
  backend: BackendSettings,
  network: ExistingNetwork | undefined,
): string[] {
  const { kind } = backend;
  const name = 'availabilityZones';
  const zones = list(given, name, /^[a-z]{2}(-[a-z]+)+-\d[a-z]$/, 'names of zones such as eu-central-1a');
  if (zones.length > 0 && network) {
    throw new ConfigError(name, 'has no effect with vpcId: the cache is in the zones of subnetIds');
  }
  const max = MAX_ZONES[kind];
  const [min] = subnetCounts(backend);
  if (zones.length > 0 && (zones.length < min || zones.length > max)) {
    throw new ConfigError(name, `must be ${min} to ${max} zones with backend=${kind}`);
  }
  if (new Set(zones).size < zones.length) throw new ConfigError(name, 'must contain each zone once');
  if (new Set(zones.map((zone) => zone.slice(0, -1))).size > 1) {
    throw new ConfigError(name, 'must be zones of one region');
  }
  return zones;
}

function readDomain(given: Environment): DeploymentSettings['domain'] {
  const label = '[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?';
  const name = shaped(
    given,
    'domainName',
    new RegExp(`^(${label}\\.)+${label}$`),
    'a domain name in lower case, without a wildcard',
  );
  const shape = /^arn:[a-z-]+:acm:[a-z0-9-]+:\d{12}:certificate\/[\w-]+$/;
  const certificateArn = shaped(given, 'certificateArn', shape, "an ACM certificate's ARN");
  if (name !== undefined && certificateArn !== undefined) return { name, certificateArn };
  if (name === undefined && certificateArn === undefined) return undefined;
  const missing = name === undefined ? 'domainName' : 'certificateArn';
  throw new ConfigError(missing, 'must also be set: domainName and certificateArn are required together');
}

function readTopic(given: Environment): string | undefined {
  const shape = /^arn:[a-z-]+:sns:[a-z0-9-]+:\d{12}:[\w-]+$/;
  const topic = shaped(given, 'alarmTopicArn', shape, "a standard SNS topic's ARN");
  if (topic !== undefined && given.alarmEmail !== undefined) {
    throw new ConfigError('alarmEmail', 'has no effect with alarmTopicArn: subscribe it to that topic');
  }
  return topic;
}

/** Lambda keeps this many concurrent executions of the account for functions without a reservation. */
const UNRESERVED = 100;

function readConcurrency(
  given: Environment,
): Pick<DeploymentSettings, 'getProvisionedConcurrency' | 'reservedConcurrency'> {
  const quota = integer(given, 'accountConcurrency', 1000, UNRESERVED + 1, 1_000_000);
  const reserved = readReservations(given);
  const total = Object.values(reserved).reduce((sum, count) => sum + count, 0);
  const most = quota - UNRESERVED;
  if (total > most) {
    throw new ConfigError(
      'reservedConcurrency',
      `reserves ${total} of at most ${most} concurrent executions: lower it, or set accountConcurrency to the account's quota`,
    );
  }

  const name = 'getProvisionedConcurrency';
  const provisioned = integer(given, name, undefined, 1, 1_000_000);
  // A deployment initializes the sandboxes of the next version before it releases those of the last one.
  const available = Math.floor((reserved.get ?? most - total) / 2);
  if (provisioned !== undefined && provisioned > available) {
    const limit =
      reserved.get === undefined
        ? 'what accountConcurrency leaves'
        : `the ${reserved.get} that reservedConcurrency has for get`;
    throw new ConfigError(
      name,
      `must be at most ${available}, half of ${limit}: in a deployment, two versions have provisioned sandboxes`,
    );
  }

  if (given.accountConcurrency !== undefined && total === 0 && provisioned === undefined) {
    throw new ConfigError(
      'accountConcurrency',
      'has an effect only with reservedConcurrency or getProvisionedConcurrency',
    );
  }
  return { reservedConcurrency: reserved, getProvisionedConcurrency: provisioned };
}

/** One number for all operations, or a list of operations with a number each. */
function readReservations(given: Environment): Record<string, number> {
  const name = 'reservedConcurrency';
  const text = given[name] ?? '';
  const all = /^\d+$/.test(text);
  const parts = all ? operations.map((operation) => `${operation}=${text}`) : text.split(',').filter(Boolean);
  const reserved: Record<string, number> = {};
  for (const part of parts) {
    const [, operation = '', count] = /^\s*([a-z-]+)=([1-9]\d*)\s*$/.exec(part) ?? [];
    if (!operations.some((known) => known === operation)) {
      const list = operations.join(', ');
      throw new ConfigError(
        name,
        `must be a whole number from 1, or a list such as get=200,set=50 of: ${list}`,
      );
    }
    if (operation in reserved) throw new ConfigError(name, `must contain ${operation} once`);
    reserved[operation] = Number(count);
  }
  return reserved;
}

function readThrottle(given: Environment, name: 'throttle' | 'sweepThrottle', fallback: number): Throttle {
  const rate = integer(given, `${name}Rate`, fallback, 1, 1_000_000);
  return { rate, burst: integer(given, `${name}Burst`, 2 * rate, 1, 1_000_000) };
}

/** Settings of the service for OpenTelemetry; empty without `otelEndpoint`. */
function readTelemetry(given: Record<string, string>): Record<string, string> {
  const endpoint = shaped(
    given,
    'otelEndpoint',
    /^https?:\/\/[^\s/@?#]+(\/[^\s@?#]*)?$/,
    "a collector's URL without a login, such as http://collector.internal:4318",
  );
  const options = Object.entries(given).filter(([name]) => TELEMETRY.includes(name));
  if (endpoint === undefined) {
    if (options[0]) throw new ConfigError(options[0][0], 'has an effect only with otelEndpoint');
    return {};
  }
  return { ENABLE_OTEL: 'true', OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, ...Object.fromEntries(options) };
}

/** Leaves time for the response: most functions have a timeout of 5 seconds. */
const MAX_BACKEND_TIMEOUT_MS = 4000;

/** Leaves room for the rest of the request: Lambda's limit is 6 MB. */
const MAX_VALUE_BYTES = 5 * 1024 ** 2;

/** Half of what Lambda accepts for all variables together. */
const MAX_LIMITS_LENGTH = 2000;

function readService(given: Environment, telemetry: Record<string, string>): Record<string, string> {
  const names: readonly string[] = SERVICE_SETTINGS;
  const all = functionEnvironment(
    (name) => telemetry[name] ?? (names.includes(name) ? given[name] : undefined),
  );
  const { backendTimeoutMs, maxValueBytes, serviceName } = readConfig(all);
  if (backendTimeoutMs > MAX_BACKEND_TIMEOUT_MS) {
    throw new ConfigError(
      'BACKEND_TIMEOUT_MS',
      `must be at most ${MAX_BACKEND_TIMEOUT_MS}: most functions have a timeout of 5 seconds`,
    );
  }
  if (maxValueBytes > MAX_VALUE_BYTES) {
    throw new ConfigError('MAX_VALUE_BYTES', `must be at most ${MAX_VALUE_BYTES} on Lambda`);
  }
  // It is a dimension of metrics and alarms.
  if (!/^[\x20-\x7e]{1,255}$/.test(serviceName)) {
    throw new ConfigError('SERVICE_NAME', 'must be at most 255 ASCII characters, the limit of CloudWatch');
  }
  if (all.TENANT_LIMITS && all.TENANT_LIMITS.length > MAX_LIMITS_LENGTH) {
    throw new ConfigError(
      'TENANT_LIMITS',
      `must have at most ${MAX_LIMITS_LENGTH} characters: put it into an SSM parameter, and set its ARN`,
    );
  }
  const own = Object.fromEntries(SERVICE_SETTINGS.map((name) => [name, all[name] ?? '']));
  return { ...own, ...telemetry };
}
