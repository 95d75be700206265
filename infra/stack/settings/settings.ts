import { ORIGINS, readConfig } from '../../../lib/config/config.ts';
import { ConfigError } from '../../../lib/config/parse.ts';
import { functionEnvironment, SERVICE_SETTINGS } from '../environment.ts';
import { readAuthorization, readBackend, readEvents } from './choices.ts';
import { SettingsReader } from './reader.ts';
import type { BackendSettings, DeploymentSettings, Throttle } from './types.ts';

/** It becomes part of names that take a hyphen only between two others. */
const STAGE = /^(?=.{1,16}$)[a-z][a-z0-9]*(-[a-z0-9]+)*$/;

/** What CloudWatch Logs takes for a retention, in days. */
const RETENTIONS = [
  1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653,
];

type Choice = `${'backend' | 'authorization'}=${string}`;

/** Settings that belong to one choice. With another they would have no effect, which nobody who gives them expects. */
const ONLY_WITH: Record<string, Choice | Choice[]> = {
  availabilityZones: ['backend=elasticache', 'backend=dragonfly'],
  cacheMaxGiB: 'backend=elasticache',
  cacheMaxEcpuPerSecond: 'backend=elasticache',
  dragonflyCpu: 'backend=dragonfly',
  dragonflyMemoryGiB: 'backend=dragonfly',
  dragonflyImage: 'backend=dragonfly',
  externalSecretArn: 'backend=external',
  vpcId: 'backend=external',
  subnetIds: 'backend=external',
  securityGroupId: 'backend=external',
  // The other backends are in a network from which a way leads to the cache and nowhere else.
  natsUrl: ['backend=external', 'backend=memory'],
  natsSecretArn: ['backend=external', 'backend=memory'],
  otelEndpoint: ['backend=external', 'backend=memory'],
  MEMORY_MAX_BYTES: 'backend=memory',
  BACKEND_TIMEOUT_MS: ['backend=elasticache', 'backend=dragonfly', 'backend=external'],
  // Neither ElastiCache Serverless, which knows no WAIT, nor our own Dragonfly, which is one, has replicas to wait for.
  WAIT_REPLICAS: 'backend=external',
  jwtIssuer: 'authorization=jwt',
  jwtAudience: 'authorization=jwt',
  jwtTenantClaim: 'authorization=jwt',
};

/** How traces and metrics are sent, by the service's own names: only together with `otelEndpoint`. */
const TELEMETRY = ['OTEL_TRACES_SAMPLER_ARG', 'OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE'];

const NAMES: readonly string[] = [
  'stage',
  'backend',
  'authorization',
  'logRetentionDays',
  'alarmEmail',
  'reservedConcurrency',
  'throttleRate',
  'throttleBurst',
  'sweepThrottleRate',
  'sweepThrottleBurst',
  'corsOrigins',
  'tracing',
  ...Object.keys(ONLY_WITH),
  ...TELEMETRY,
  ...SERVICE_SETTINGS.filter((name) => !(name in ONLY_WITH)),
];

const EVENTS_BY_URL = 'cannot be given: natsUrl or natsSecretArn turn events on';
const TRACES_BY_ENDPOINT = 'cannot be given: otelEndpoint turns traces on';

/** What somebody may well give, and why it is not taken. */
const REFUSED: Record<string, string> = {
  DRAGONFLY_URL:
    'cannot be given, since a password in it would stand in the template: choose a backend, or give backend=external and externalSecretArn',
  ENABLE_NATS: EVENTS_BY_URL,
  NATS_URL: EVENTS_BY_URL,
  NATS_SECRET_ARN: EVENTS_BY_URL,
  NATS_CREDS:
    'cannot be given, since they would stand in the template: put them into a secret and give natsSecretArn',
  ENABLE_OTEL: TRACES_BY_ENDPOINT,
  OTEL_EXPORTER_OTLP_ENDPOINT: TRACES_BY_ENDPOINT,
  OTEL_EXPORTER_OTLP_HEADERS:
    'cannot be given, since a password in it would stand in the template: send to a collector of your own, which adds it',
  perTenantSandboxes:
    'cannot be true: Lambda takes calls of tenant-isolated functions from REST APIs only, and this is an HTTP API',
};

/**
 * Reads the settings of a deployment from the CDK's context: from `cdk.json`, or from `-c name=value`, by which every value is
 * text. A value that is empty is not given.
 *
 * @throws ConfigError for the first one that is unknown, malformed, missing, or without effect beside the others
 */
export function readSettings(context: Record<string, unknown>): DeploymentSettings {
  const read = new SettingsReader(context);
  refuse(context, read);
  const backend = readBackend(read);
  const authorization = readAuthorization(read);
  refuseUnused(read, [`backend=${backend.kind}`, `authorization=${authorization.kind}`]);
  return {
    stage: read.text('stage', STAGE, 'a letter and up to 15 of a-z, 0-9 and single hyphens') ?? 'prod',
    backend,
    events: readEvents(read),
    authorization,
    availabilityZones: readZones(read, backend),
    logRetentionDays: Number(read.oneOf('logRetentionDays', RETENTIONS.map(String), '30')),
    alarmEmail: read.text('alarmEmail', /^[^\s@]+@[^\s@]+\.[^\s@]+$/, 'an e-mail address'),
    reservedConcurrency: read.optionalInteger('reservedConcurrency', 1, 100_000),
    // A new account's functions do a thousand requests at once, all of them together.
    throttle: readThrottle(read, 'throttle', 1000),
    sweepThrottle: readThrottle(read, 'sweepThrottle', 10),
    corsOrigins: read.list('corsOrigins', ORIGINS.shape, ORIGINS.description),
    tracing: read.boolean('tracing'),
    service: readService(context, readTelemetry(read)),
  };
}

function refuse(context: Record<string, unknown>, read: SettingsReader): void {
  for (const name of Object.keys(context).filter(isOurs)) {
    const refusal = REFUSED[name];
    if (refusal !== undefined) {
      const off = !read.has(name) || String(context[name]).trim().toLowerCase() === 'false';
      if (!off) throw new ConfigError(name, refusal);
    } else if (!NAMES.includes(name)) {
      throw new ConfigError(name, `is not a setting; these are: ${NAMES.join(', ')}`);
    }
  }
}

/** The CDK keeps its feature flags, its look-ups and what its command line says or was told beside our settings. */
function isOurs(name: string): boolean {
  return !/[@:/]/.test(name) && !['cli-telemetry', 'acknowledged-issue-numbers'].includes(name);
}

function refuseUnused(read: SettingsReader, choices: string[]): void {
  for (const [name, only] of Object.entries(ONLY_WITH)) {
    const allowed = [only].flat();
    if (read.has(name) && !allowed.some((choice) => choices.includes(choice))) {
      throw new ConfigError(name, `is only for ${allowed.join(' or ')}`);
    }
  }
}

/** Zones that a network of its own is in, at most. ElastiCache Serverless takes no more. */
export const MOST_ZONES: Record<BackendSettings['kind'], number> = {
  elasticache: 3,
  dragonfly: 2,
  external: 0,
  memory: 0,
};

function readZones(read: SettingsReader, { kind }: BackendSettings): string[] {
  const name = 'availabilityZones';
  const zones = read.list(name, /^[a-z]{2}(-[a-z]+)+-\d[a-z]$/, 'names of zones as eu-central-1a');
  const most = MOST_ZONES[kind];
  if (zones.length > most) throw new ConfigError(name, `must be at most ${most} with backend=${kind}`);
  if (new Set(zones).size < zones.length) throw new ConfigError(name, 'must name each zone once');
  return zones;
}

function readThrottle(read: SettingsReader, name: 'throttle' | 'sweepThrottle', fallback: number): Throttle {
  const rate = read.integer(`${name}Rate`, fallback, 1, 1_000_000);
  return { rate, burst: read.integer(`${name}Burst`, 2 * rate, 1, 1_000_000) };
}

/** The service's settings that a collector's address brings with it; none without it. */
function readTelemetry(read: SettingsReader): Record<string, string> {
  const endpoint = read.text(
    'otelEndpoint',
    /^https?:\/\/[^\s/@?#]+(\/[^\s@?#]*)?$/,
    "a collector's URL without a login, as http://collector.internal:4318",
  );
  const given = TELEMETRY.filter((name) => read.has(name));
  if (endpoint === undefined) {
    if (given[0] !== undefined) throw new ConfigError(given[0], 'is only for a deployment with otelEndpoint');
    return {};
  }
  const options = given.map((name) => [name, read.text(name, /^.*$/, 'text') ?? '']);
  return { ENABLE_OTEL: 'true', OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, ...Object.fromEntries(options) };
}

/** Most functions have 5 seconds: an operation has to fail before, with time left for the answer. */
const MAX_BACKEND_TIMEOUT_MS = 4000;

/** With what is around it in a request and an answer, of which Lambda carries 6 MB. */
const MOST_VALUE_BYTES = 5 * 1024 ** 2;

function readService(
  context: Record<string, unknown>,
  telemetry: Record<string, string>,
): Record<string, string> {
  const names: readonly string[] = SERVICE_SETTINGS;
  const all = functionEnvironment(
    (name) => telemetry[name] ?? (names.includes(name) ? context[name] : undefined),
  );
  const { backendTimeoutMs, maxValueBytes, serviceName } = readConfig(all);
  if (backendTimeoutMs > MAX_BACKEND_TIMEOUT_MS) {
    throw new ConfigError(
      'BACKEND_TIMEOUT_MS',
      `must be at most ${MAX_BACKEND_TIMEOUT_MS}: most functions have 5 seconds`,
    );
  }
  if (maxValueBytes > MOST_VALUE_BYTES) {
    throw new ConfigError(
      'MAX_VALUE_BYTES',
      `must be at most ${MOST_VALUE_BYTES}, which is what Lambda carries`,
    );
  }
  // It is a dimension of all metrics: CloudWatch would take neither these nor the alarms.
  if (!/^[\x20-\x7e]{1,255}$/.test(serviceName)) {
    throw new ConfigError(
      'SERVICE_NAME',
      'must be up to 255 ASCII characters, which is what CloudWatch takes',
    );
  }
  const own = Object.fromEntries(SERVICE_SETTINGS.map((name) => [name, all[name] ?? '']));
  return { ...own, ...telemetry };
}
