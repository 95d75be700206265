import type { BackendAddress } from '../../lib/backend/url.ts';
import type { Config } from '../../lib/config.ts';
import type { Route } from '../../lib/http/routes.ts';

/** What only the start finds out. */
export interface Started {
  port: number;
  /** Whether the docs page is there. */
  docs: boolean;
}

/** What is printed once the server listens: where, on which backend, every route, the docs page, and a request to try. */
export function banner(config: Config, routes: readonly Route[], { port, docs }: Started): string {
  const url = `http://localhost:${port}`;
  const rows = routes.flatMap(({ method, paths }) => paths.map((path) => `  ${method.padEnd(6)} ${path}`));
  return [
    `${config.serviceName} listens on ${url}`,
    `Backend: ${describeBackend(config)}`,
    ...(docs ? [`Docs: ${url}/docs`] : []),
    '',
    ...rows,
    '',
    `Try: ${exampleRequest(url, routes)}`,
    '',
  ].join('\n');
}

/** Which backend and where: never as whom, since the same URL holds the password. */
export function describeBackend({ backend, memoryMaxBytes }: Config): string {
  if (!backend) return `in memory, at most ${size(memoryMaxBytes)} (DRAGONFLY_URL is not set)`;
  const { hosts, cluster, tls, db } = backend;
  const extras = [cluster ? 'cluster' : `database ${db}`, ...(tls ? ['TLS'] : [])];
  return `dragonfly at ${hosts.map(hostAndPort).join(', ')} (${extras.join(', ')})`;
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
