import { readConfig } from '../../lib/config/config.ts';

/** Settings of the service that a deployment may set, under the same names. */
export const SERVICE_SETTINGS = [
  'BACKEND_TIMEOUT_MS',
  'BACKEND_CONNECT_TIMEOUT_MS',
  'DEFAULT_TTL_SECONDS',
  'MAX_TTL_SECONDS',
  'MAX_VALUE_BYTES',
  'MEMORY_MAX_BYTES',
  'CACHE_SHARDS',
  'COMPRESS_MIN_BYTES',
  'WAIT_REPLICAS',
  'TENANT_MAX_ENTRIES',
  'TENANT_MAX_BYTES',
  'TENANT_MAX_REQUESTS_PER_SECOND',
  'TENANT_REQUEST_BURST',
  'TENANT_SWEEP_WEIGHT',
  'TENANT_LIMITS',
  'LOG_LEVEL',
  'REQUEST_LOG_SAMPLE',
  'SERVICE_NAME',
] as const;

/**
 * All settings that the template declares. Tools that run functions locally override only declared variables.
 */
const FUNCTION_SETTINGS = [
  // The endpoint: address and login of the cache.
  'DRAGONFLY_URL',
  'DRAGONFLY_IAM_CACHE',
  'DRAGONFLY_SECRET_ARN',
  // The authorization: the JWT claim with the tenant.
  'TENANT_CLAIM',
  // The stage.
  'METRICS_NAMESPACE',
  ...SERVICE_SETTINGS,
  // The events: address and login of the broker.
  'ENABLE_NATS',
  'NATS_URL',
  'NATS_CREDS',
  'NATS_SECRET_ARN',
  // The telemetry: address of the collector. Headers may contain a password, so a template never sets them.
  'ENABLE_OTEL',
  'OTEL_EXPORTER_OTLP_ENDPOINT',
  'OTEL_EXPORTER_OTLP_HEADERS',
  'OTEL_TRACES_SAMPLER_ARG',
  'OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE',
] as const;

/**
 * The functions' variables. Settings without a value are declared as empty, which the service treats as not set, so defaults are
 * defined only in the service. Values are readable in the template and in the functions' configuration: no secrets here.
 *
 * @throws ConfigError for a setting with which the service would not start
 */
export function functionEnvironment(given: (name: string) => unknown): Record<string, string> {
  const environment = Object.fromEntries(FUNCTION_SETTINGS.map((name) => [name, String(given(name) ?? '')]));
  readConfig(environment);
  return environment;
}
