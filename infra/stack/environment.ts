import { readConfig } from '../../lib/config/config.ts';

/** The settings of the service that a deployment may choose, by their own names. */
export const SERVICE_SETTINGS = [
  'BACKEND_TIMEOUT_MS',
  'DEFAULT_TTL_SECONDS',
  'MAX_TTL_SECONDS',
  'MAX_VALUE_BYTES',
  'MEMORY_MAX_BYTES',
  'CACHE_SHARDS',
  'COMPRESS_MIN_BYTES',
  'WAIT_REPLICAS',
  'LOG_LEVEL',
  'SERVICE_NAME',
] as const;

/**
 * The settings that the functions' template declares. A function on Lambda has no other variables, and tools that run one
 * locally override only what is declared.
 */
export const FUNCTION_SETTINGS = [
  // From the endpoint: where the cache is, and how to log in to it.
  'DRAGONFLY_URL',
  'DRAGONFLY_IAM_CACHE',
  'DRAGONFLY_SECRET_ARN',
  // From the authorization: which claim of a token names the tenant.
  'TENANT_CLAIM',
  // From the stage: where its metrics are.
  'METRICS_NAMESPACE',
  ...SERVICE_SETTINGS,
  // From the events: where the broker is, and how to log in to it.
  'ENABLE_NATS',
  'NATS_URL',
  'NATS_CREDS',
  'NATS_SECRET_ARN',
  // From the telemetry: where the collector is. Headers, which may hold a password, are never in a template.
  'ENABLE_OTEL',
  'OTEL_EXPORTER_OTLP_ENDPOINT',
  'OTEL_EXPORTER_OTLP_HEADERS',
  'OTEL_TRACES_SAMPLER_ARG',
  'OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE',
] as const;

/**
 * The functions' variables: all of them declared, those that are not given as empty, which the service takes as not set, so
 * that its defaults stand in one place.
 *
 * What is given so can be read in the template and in the functions' configuration.
 *
 * @throws ConfigError for a setting that the service would not start with: better here than in every function
 */
export function functionEnvironment(given: (name: string) => unknown): Record<string, string> {
  const environment = Object.fromEntries(FUNCTION_SETTINGS.map((name) => [name, String(given(name) ?? '')]));
  readConfig(environment);
  return environment;
}
