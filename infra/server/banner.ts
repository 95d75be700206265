import { hostAndPort } from '../../lib/config/backend-url.ts';
import type { Config } from '../../lib/config/config.ts';
import type { NatsSettings } from '../../lib/config/nats.ts';
import type { OtelSettings } from '../../lib/config/otel.ts';
import type { Route } from '../../lib/routes.ts';
import type { Listening } from './serve.ts';

/** Facts that are known only after the start. */
export interface Started extends Pick<Listening, 'address' | 'port' | 'workerPids'> {
  /** Whether the docs page is available. */
  docs: boolean;
}

/** Bind addresses that `localhost` reaches. `::1` is missing because on some machines localhost resolves to 127.0.0.1 only. */
const LOCALHOST = ['127.0.0.1', '0.0.0.0', '::'];

/** The lines that are printed when the server listens. */
export function banner(
  config: Config,
  routes: readonly Route[],
  { address, port, docs, workerPids }: Started,
): string {
  const host = LOCALHOST.includes(address) ? 'localhost' : config.host;
  const url = `http://${hostAndPort({ host, port })}`;
  const rows = routes.flatMap(({ method, paths }) => paths.map((path) => `  ${method.padEnd(6)} ${path}`));
  return [
    `${config.serviceName} listens on ${url}`,
    ...(workerPids ? [`Workers: ${workerPids.length} (processes ${workerPids.join(', ')})`] : []),
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

/** The backend and its address, without user and password. */
export function describeBackend({ backend, secretArn, memoryMaxBytes }: Config): string {
  if (!backend && secretArn !== undefined) return 'dragonfly, at the URL in the secret DRAGONFLY_SECRET_ARN';
  if (!backend) return `in memory, at most ${size(memoryMaxBytes)} (DRAGONFLY_URL is not set)`;
  const { hosts, cluster, tls, db } = backend;
  const extras = [cluster ? 'cluster' : `database ${db}`, ...(tls ? ['TLS'] : [])];
  return `dragonfly at ${hosts.map(hostAndPort).join(', ')} (${extras.join(', ')})`;
}

function describeBroker({ address }: NatsSettings): string {
  if (!address) return 'NATS, at the URL in the secret NATS_SECRET_ARN';
  return `NATS at ${address.servers.map(hostAndPort).join(', ')}${address.tls ? ' (TLS)' : ''}`;
}

/** The path is left out because it contains the key of some collectors. */
function describeCollector({ endpoint }: OtelSettings): string {
  const { protocol, hostname, port } = new URL(endpoint);
  const tls = protocol === 'https:';
  return `OpenTelemetry collector at ${hostname}:${port || (tls ? 443 : 80)}${tls ? ' (TLS)' : ''}`;
}

function size(bytes: number): string {
  const mebibytes = bytes / 1024 ** 2;
  return Number.isInteger(mebibytes) ? `${mebibytes} MiB` : `${bytes} bytes`;
}

/** A shell command. Single quotes protect the JSON. */
function exampleRequest(url: string, routes: readonly Route[]): string {
  const set = routes.find(({ name }) => name === 'set');
  const path = set?.paths[0] ?? '';
  const body = '{"key": "greeting", "value": "hello", "ttl": 60}';
  return `curl -X POST '${url}${path}' -H 'Content-Type: application/json' -H 'X-Tenant-ID: tenant_123' -d '${body}'`;
}
