import { readConfig } from '../lib/config.ts';

/**
 * The settings that the functions' template declares. A function on Lambda has no other variables, and tools that run one
 * locally override only what is declared.
 */
export const FUNCTION_SETTINGS = [
  'DRAGONFLY_URL',
  'DEFAULT_TTL_SECONDS',
  'MAX_TTL_SECONDS',
  'MAX_VALUE_BYTES',
  'MEMORY_MAX_BYTES',
  'CACHE_SHARDS',
  'COMPRESS_MIN_BYTES',
  'ENABLE_NATS',
  'ENABLE_OTEL',
  'LOG_LEVEL',
  'SERVICE_NAME',
] as const;

/**
 * The functions' variables. A setting is given to the CDK under its own name, as in `cdk deploy -c LOG_LEVEL=DEBUG`; the
 * others are declared empty, which the service takes as not set, so that its defaults stand in one place.
 *
 * What is given so can be read in the template and in the functions' configuration: a password in DRAGONFLY_URL too.
 *
 * @param given the CDK's context
 * @throws ConfigError for a setting that the service would not start with: better here than in every function
 */
export function functionEnvironment(given: (name: string) => unknown): Record<string, string> {
  const environment = Object.fromEntries(FUNCTION_SETTINGS.map((name) => [name, String(given(name) ?? '')]));
  readConfig(environment);
  return environment;
}
