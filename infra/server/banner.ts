import type { BackendAddress } from '../../lib/config/backend-url.ts';
import type { Config } from '../../lib/config/config.ts';
import type { NatsSettings } from '../../lib/config/nats.ts';
import type { OtelSettings } from '../../lib/config/otel.ts';
import type { Route } from '../../lib/routes.ts';

/** What only the start finds out. */
export interface Started {
  /** The address that the server listens on, as the system writes it, and its port. */
  address: string;
  port: number;
  /** Whether the docs page is there. */
  docs: boolean;
}

/**
 * Addresses by which the machine itself reaches the server under the name localhost: its own, and what stands for all. Not `::1`:
 * on some machines the name has no address but 127.0.0.1.
 */
const AS_LOCALHOST = ['127.0.0.1', '0.0.0.0', '::'];

/**
 * What is printed once the server listens: where, on which backend, what it sends elsewhere, which pages may call, every route, the
 * docs page, and a request to try.
 */
export function banner(config: Config, routes: readonly Route[], { address, port, docs }: Started): string {
  const host = AS_LOCALHOST.includes(address) ? 'localhost' : config.host;
  const url = `http://${hostAndPort({ host, port })}`;
  const rows = routes.flatMap(({ method, paths }) => paths.map((path) => `  ${method.padEnd(6)} ${path}`));
  return [
    `${config.serviceName} listens on ${url}`,
    `Backend: ${describeBackend(config)}`,
    ...(config.nats ? [`Events: ${describeBroker(config.nats)}`] : []),
    ...(config.otel ? [`Traces: ${describeCollector(config.otel)}`] : []),
    ...(config.metricsNamespace ? [`Metrics: namespace ${config.metricsNamespace}`] : []),
    ...(config.corsOrigins.length > 0 ? [`CORS: ${config.corsOrigins.join(', ')}`] : []),
    ...(docs ? [`Docs: ${url}/docs`] : []),
    '',
    ...rows,
    '',
    `Try: ${exampleRequest(url, routes)}`,
    '',
  ].join('\n');
}

/** Which backend and where: never as whom, since the same URL holds the password. */
export function describeBackend({ backend, secretArn, memoryMaxBytes }: Config): string {
  if (!backend && secretArn !== undefined) return 'dragonfly, where the secret of DRAGONFLY_SECRET_ARN says';
  if (!backend) return `in memory, at most ${size(memoryMaxBytes)} (DRAGONFLY_URL is not set)`;
  const { hosts, cluster, tls, db } = backend;
  const extras = [cluster ? 'cluster' : `database ${db}`, ...(tls ? ['TLS'] : [])];
  return `dragonfly at ${hosts.map(hostAndPort).join(', ')} (${extras.join(', ')})`;
}

function describeBroker({ address }: NatsSettings): string {
  if (!address) return 'NATS, where the secret of NATS_SECRET_ARN says';
  return `NATS at ${address.servers.map(hostAndPort).join(', ')}${address.tls ? ' (TLS)' : ''}`;
}

/** Without the URL's path, in which some collectors' keys stand. */
function describeCollector({ endpoint }: OtelSettings): string {
  const { protocol, hostname, port } = new URL(endpoint);
  const tls = protocol === 'https:';
  return `OpenTelemetry collector at ${hostname}:${port || (tls ? 443 : 80)}${tls ? ' (TLS)' : ''}`;
}

function size(bytes: number): string {
  const mebibytes = bytes / 1024 ** 2;
  return Number.isInteger(mebibytes) ? `${mebibytes} MiB` : `${bytes} bytes`;
}

function hostAndPort({ host, port }: BackendAddress['hosts'][number]): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}

/** A line for a shell: single quotes keep it from reading anything into the JSON. */
function exampleRequest(url: string, routes: readonly Route[]): string {
  const set = routes.find(({ name }) => name === 'set');
  const path = set?.paths[0] ?? '';
  const body = '{"key": "greeting", "value": "hello", "ttl": 60}';
  return `curl -X POST '${url}${path}' -H 'Content-Type: application/json' -H 'X-Tenant-ID: tenant_123' -d '${body}'`;
}
