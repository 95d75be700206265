import { boolean, ConfigError, type Environment, share, text } from './parse.ts';

/** Where traces and metrics are sent, and how many traces are sampled. */
export interface OtelSettings {
  /** The collector's URL without a trailing slash; `/v1/traces` and `/v1/metrics` are appended. */
  endpoint: string;
  /** Sent with each export. May contain a password. */
  headers: Readonly<Record<string, string>>;
  /** Sampling ratio for requests without a trace context: 0 to 1. */
  share: number;
  /** True: metrics have delta temporality. False: cumulative. */
  delta: boolean;
}

const NAMES = [
  'OTEL_EXPORTER_OTLP_ENDPOINT',
  'OTEL_EXPORTER_OTLP_HEADERS',
  'OTEL_TRACES_SAMPLER_ARG',
  'OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE',
] as const;

/** The default of the OTLP specification. */
const DEFAULT_ENDPOINT = 'http://localhost:4318';

/**
 * Reads the settings, which have the names of OpenTelemetry's specification; undefined unless OpenTelemetry is enabled.
 *
 * @throws ConfigError for the first invalid setting
 */
export function readOtel(env: Environment): OtelSettings | undefined {
  const on = boolean(env, 'ENABLE_OTEL');
  // Read even when it is off, so that a list of all settings includes them. Checked only when it is on: these names are
  // OpenTelemetry's own and may be set for other programs.
  const given = Object.fromEntries(NAMES.map((name) => [name, text(env, name)]));
  if (!on) return undefined;
  return {
    endpoint: endpoint(given),
    headers: headers(given),
    share: share(given, 'OTEL_TRACES_SAMPLER_ARG'),
    delta: delta(given),
  };
}

function endpoint(env: Environment): string {
  const name = 'OTEL_EXPORTER_OTLP_ENDPOINT';
  const given = text(env, name) ?? DEFAULT_ENDPOINT;
  const url = URL.parse(given);
  // No message contains the value, which may contain a password.
  if (!url || !['http:', 'https:'].includes(url.protocol)) {
    throw new ConfigError(name, 'must look like http://host:4318 or https://host');
  }
  if (url.username || url.password) {
    throw new ConfigError(name, 'must not contain a user: put a login into OTEL_EXPORTER_OTLP_HEADERS');
  }
  if (url.search || url.hash) throw new ConfigError(name, 'must not contain a query or a fragment');
  return `${url.origin}${url.pathname}`.replace(/\/+$/, '');
}

/** HTTP's grammar of a header's name and value. */
const HEADER_NAME = /^[\w!#$%&'*+.^`|~-]+$/;
const HEADER_VALUE = /^[\t\x20-\x7e]*$/;

/** `name=value,…`, the values percent-encoded. */
function headers(env: Environment): Record<string, string> {
  const name = 'OTEL_EXPORTER_OTLP_HEADERS';
  const parts = text(env, name)?.split(',') ?? [];
  const pairs = parts.map((part) => {
    const [, header = '', value = ''] = /^\s*([^=\s]+)\s*=\s*(.*?)\s*$/.exec(part) ?? [];
    const decoded = decode(value);
    if (!HEADER_NAME.test(header) || decoded === undefined || !HEADER_VALUE.test(decoded)) {
      throw new ConfigError(name, 'must look like name=value,name=value, with percent-encoded values');
    }
    return [header.toLowerCase(), decoded] as const;
  });
  return Object.fromEntries(pairs);
}

function decode(value: string): string | undefined {
  try {
    return decodeURIComponent(value);
  } catch {
    return undefined;
  }
}

function delta(env: Environment): boolean {
  const name = 'OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE';
  const given = text(env, name)?.toLowerCase() ?? 'cumulative';
  if (given !== 'cumulative' && given !== 'delta') {
    throw new ConfigError(name, `must be cumulative or delta, not ${JSON.stringify(given)}`);
  }
  return given === 'delta';
}
