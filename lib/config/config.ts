import { type BackendAddress, parseBackendUrl } from './backend-url.ts';
import { type IamCache, parseIamCache } from './iam-cache.ts';
import { type NatsSettings, readNats } from './nats.ts';
import { type OtelSettings, readOtel } from './otel.ts';
import { ConfigError, type Environment, integer, list, secretArn, share, text, url } from './parse.ts';
import { readTenantLimits, type TenantLimitSettings } from './tenant-limits.ts';

/** The configuration: all environment variables, parsed and checked. Documented in docs/configuration.md. */
export interface Config {
  serviceName: string;
  /** The address or host name on which the local server listens. */
  host: string;
  /** The port on which the local server listens; 0 selects a free one. */
  port: number;
  /** Processes of the local server, which share its port. The local server accepts more than 1 only with a backend. */
  workers: number;
  /** Origins that may call the local server from a browser. */
  corsOrigins: readonly string[];
  /** Undefined: the address is in the secret, or without a secret the memory store is used. */
  backend: BackendAddress | undefined;
  /** The ElastiCache cache to log in to with IAM. */
  iamCache: IamCache | undefined;
  /** The Secrets Manager secret with the backend's URL, login or private certificate authority. */
  secretArn: string | undefined;
  /** Timeout of an operation on the backend, including the wait for a connection and the retries. */
  backendTimeoutMs: number;
  /** Timeout for opening a connection to the backend, with TLS and login. */
  backendConnectTimeoutMs: number;
  defaultTtlSeconds: number;
  maxTtlSeconds: number;
  /** The longest value, in bytes of JSON text. */
  maxValueBytes: number;
  /** The memory limit of the memory store. */
  memoryMaxBytes: number;
  /** Shards per tenant. */
  shards: number;
  /** Values of at least this length are stored compressed; 0 compresses none. */
  compressMinBytes: number;
  /** Replicas that must confirm a removal before it is answered with success; 0 waits for none. */
  waitReplicas: number;
  /** What each tenant may store and request; undefined: none has a limit. */
  tenantLimits: TenantLimitSettings | undefined;
  logLevel: LogLevel;
  /** Share of the ordinary requests that have a line in the log, 0 to 1. */
  requestLogSample: number;
  /** The CloudWatch namespace of the metrics; undefined: none are written. */
  metricsNamespace: string | undefined;
  /** The JWT claim that contains the tenant; undefined: the header contains it. */
  tenantClaim: string | undefined;
  /** Undefined: no events are published. */
  nats: NatsSettings | undefined;
  /** Undefined: no traces and metrics are exported. */
  otel: OtelSettings | undefined;
  /** True in a Lambda sandbox, which processes one request at a time and is frozen in between. */
  onLambda: boolean;
}

export const LOG_LEVELS = ['DEBUG', 'INFO', 'WARN', 'ERROR'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** The syntax of an origin in `CORS_ORIGINS` and in the deployment setting `corsOrigins`; `*` stands for all origins. */
export const ORIGINS = {
  shape: /^(\*|https?:\/\/[^\s/,?#]+)$/,
  description: 'origins as https://app.example.com',
};

/**
 * The meaning of `CACHE_SHARDS=auto`: the same for all backends and tenants, so that entries remain readable after a move to a cluster, and
 * no request has to look up the number of shards.
 */
export const AUTO_SHARDS = 4;

/** @throws ConfigError for the first invalid setting */
export function readConfig(env: Environment): Config {
  const maxTtlSeconds = integer(env, 'MAX_TTL_SECONDS', 30 * 24 * 3600, 1, 10 * 365 * 24 * 3600);
  const defaultTtlSeconds = integer(
    env,
    'DEFAULT_TTL_SECONDS',
    Math.min(300, maxTtlSeconds),
    1,
    maxTtlSeconds,
  );
  const shards = readShards(env);
  // By default, callers get a 503 within a second. See DEADLINE_AHEAD_MS for the upper limit.
  const backendTimeoutMs = integer(env, 'BACKEND_TIMEOUT_MS', 900, 300, 10_000);

  return {
    serviceName: text(env, 'SERVICE_NAME') ?? 'cache-service',
    host: host(env),
    port: integer(env, 'SERVICE_PORT', 8080, 0, 65_535),
    workers: integer(env, 'SERVICE_WORKERS', 1, 1, 64),
    corsOrigins: list(env, 'CORS_ORIGINS', ORIGINS.shape, ORIGINS.description),
    ...backend(env),
    backendTimeoutMs,
    // Half, so that a dead connection can be detected and replaced within the timeout: see `ConnectionProfile`.
    backendConnectTimeoutMs: integer(
      env,
      'BACKEND_CONNECT_TIMEOUT_MS',
      Math.round(backendTimeoutMs / 3),
      50,
      Math.floor(backendTimeoutMs / 2),
    ),
    defaultTtlSeconds,
    maxTtlSeconds,
    // The longest Redis string has 512 MiB, and the longest JavaScript string is hardly longer.
    maxValueBytes: integer(env, 'MAX_VALUE_BYTES', 5 * 1024 ** 2, 1, 512 * 1024 ** 2 - 1024),
    memoryMaxBytes: integer(env, 'MEMORY_MAX_BYTES', 256 * 1024 ** 2, 1024, Number.MAX_SAFE_INTEGER),
    shards,
    compressMinBytes: integer(env, 'COMPRESS_MIN_BYTES', 2048, 0, Number.MAX_SAFE_INTEGER),
    waitReplicas: integer(env, 'WAIT_REPLICAS', 0, 0, 15),
    tenantLimits: readTenantLimits(env, shards),
    logLevel: logLevel(env),
    requestLogSample: share(env, 'REQUEST_LOG_SAMPLE'),
    metricsNamespace: metricsNamespace(env),
    tenantClaim: text(env, 'TENANT_CLAIM'),
    nats: readNats(env),
    otel: readOtel(env),
    onLambda: text(env, 'AWS_LAMBDA_FUNCTION_NAME') !== undefined,
  };
}

function readShards(env: Environment): number {
  if (text(env, 'CACHE_SHARDS')?.toLowerCase() === 'auto') return AUTO_SHARDS;
  return integer(env, 'CACHE_SHARDS', AUTO_SHARDS, 1, 1024);
}

function host(env: Environment): string {
  const given = text(env, 'SERVICE_HOST');
  // Elsewhere an empty setting counts as not set. Here it is rejected: for other servers an empty host means all addresses.
  if (given === undefined && env.SERVICE_HOST !== undefined) {
    throw new ConfigError('SERVICE_HOST', 'must not be empty: 0.0.0.0 or :: stands for all addresses');
  }
  return given ?? '127.0.0.1';
}

function logLevel(env: Environment): LogLevel {
  const given = text(env, 'LOG_LEVEL') ?? 'INFO';
  const level = LOG_LEVELS.find((known) => known === given.toUpperCase());
  if (!level) {
    throw new ConfigError(
      'LOG_LEVEL',
      `must be one of ${LOG_LEVELS.join(', ')}, not ${JSON.stringify(given)}`,
    );
  }
  return level;
}

function metricsNamespace(env: Environment): string | undefined {
  const given = text(env, 'METRICS_NAMESPACE');
  if (given !== undefined && !/^(?!AWS\/)[\w.#:/-]{1,255}$/.test(given)) {
    throw new ConfigError(
      'METRICS_NAMESPACE',
      'must be 1 to 255 letters, digits or any of . - _ / # : and not begin with AWS/',
    );
  }
  return given;
}

function backend(env: Environment): Pick<Config, 'backend' | 'iamCache' | 'secretArn'> {
  const address = url(env, 'DRAGONFLY_URL', parseBackendUrl);
  const iamCache = parseIamCache(env, 'DRAGONFLY_IAM_CACHE');
  const arn = secretArn(env, 'DRAGONFLY_SECRET_ARN');
  if (iamCache !== undefined) {
    if (!address?.username)
      throw new ConfigError('DRAGONFLY_IAM_CACHE', 'needs a DRAGONFLY_URL that names a user');
    if (!address.tls) throw new ConfigError('DRAGONFLY_IAM_CACHE', 'needs a DRAGONFLY_URL that speaks TLS');
    if (arn !== undefined) {
      throw new ConfigError('DRAGONFLY_IAM_CACHE', 'cannot be set together with DRAGONFLY_SECRET_ARN');
    }
  }
  return { backend: address, iamCache, secretArn: arn };
}
