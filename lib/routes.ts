/**
 * The one table of routes. The stack, the local server, the OpenAPI document, alarms and the dashboard are made from it.
 *
 * CONTRIBUTING.md has the recipe for a new endpoint.
 */
export interface Route {
  /** The operation, and the name of its file in `functions/`. */
  name: string;
  method: 'GET' | 'POST' | 'DELETE' | 'ANY';
  /** Paths as API Gateway's HTTP API writes them: `{name}` takes exactly one segment. */
  paths: readonly string[];
  /**
   * What it does to values. A `write` or a `sweep` changes what callers read, so its function publishes events. A `read` does not: a
   * lease changes no value. A `sweep` also walks over all entries of a tenant, so it has more time, a stricter throttle, and metrics
   * of its own.
   */
  kind: 'read' | 'write' | 'sweep';
  /** True if requests or responses carry values. The size of values is a metric. */
  values?: true;
  /** False: it requires neither a tenant nor authorization. */
  tenant: boolean;
  /** False: it responds without the cache. Its function is in no network, has no secret and connects to nothing. */
  backend?: false;
}

const API = '/api/v1/cache';

export const routes = [
  { name: 'set', method: 'POST', paths: [API], kind: 'write', values: true, tenant: true },
  // `?key=` is for keys that a path cannot carry: API Gateway's decoding does not preserve `/` and `?`.
  { name: 'get', method: 'GET', paths: [`${API}/{key}`, API], kind: 'read', values: true, tenant: true },
  { name: 'delete', method: 'DELETE', paths: [`${API}/{key}`, API], kind: 'write', tenant: true },
  { name: 'touch', method: 'POST', paths: [`${API}/touch`], kind: 'write', tenant: true },
  { name: 'lease', method: 'POST', paths: [`${API}/lease`], kind: 'read', values: true, tenant: true },
  { name: 'lease-release', method: 'POST', paths: [`${API}/lease/release`], kind: 'read', tenant: true },
  { name: 'invalidate', method: 'POST', paths: [`${API}/invalidate`], kind: 'sweep', tenant: true },
  {
    name: 'batch-get',
    method: 'POST',
    paths: [`${API}/batch/get`],
    kind: 'read',
    values: true,
    tenant: true,
  },
  {
    name: 'batch-set',
    method: 'POST',
    paths: [`${API}/batch/set`],
    kind: 'write',
    values: true,
    tenant: true,
  },
  { name: 'batch-delete', method: 'POST', paths: [`${API}/batch/delete`], kind: 'write', tenant: true },
  {
    name: 'keys',
    method: 'GET',
    paths: [`${API}/tenant/{tenant_id}/keys`],
    kind: 'read',
    tenant: true,
  },
  { name: 'usage', method: 'GET', paths: [`${API}/tenant/{tenant_id}`], kind: 'read', tenant: true },
  {
    name: 'clear-tenant',
    method: 'DELETE',
    paths: [`${API}/tenant/{tenant_id}`],
    kind: 'sweep',
    tenant: true,
  },
  { name: 'health', method: 'GET', paths: ['/health'], kind: 'read', tenant: false },
  { name: 'openapi', method: 'GET', paths: ['/openapi.json'], kind: 'read', tenant: false, backend: false },
] as const satisfies readonly Route[];

/** Responds to unknown paths, so that they get the contract's envelope instead of the gateway's. */
export const fallback = {
  name: 'not-found',
  method: 'ANY',
  paths: ['$default'],
  kind: 'read',
  tenant: false,
  backend: false,
} as const satisfies Route;

/** The name of an endpoint, of its function's file and of its operation in logs. */
export type Operation = (typeof routes)[number]['name'] | (typeof fallback)['name'];

const byName = new Map<string, Route>([...routes, fallback].map((route) => [route.name, route]));

/** The row of an operation. Undefined if no operation has this name. */
export function routeNamed(name: Operation): Route;
export function routeNamed(name: string): Route | undefined;
export function routeNamed(name: string): Route | undefined {
  return byName.get(name);
}

/** The methods that the routes accept. */
type Method = Route['method'] | 'HEAD';

/** The methods that a route accepts. HEAD gets the response of GET without the body. */
export function methodsOf({ method }: Pick<Route, 'method'>): Method[] {
  return method === 'GET' ? ['GET', 'HEAD'] : [method];
}

/**
 * The methods that a path accepts, in alphabetical order; empty if no route has the path.
 *
 * @param path decoded, as API Gateway passes it to a function
 */
export function allowedMethods(path: string): Method[] {
  const found = routes.filter(({ paths }) => paths.some((own) => pathShape(own).test(path)));
  return [...new Set(found.flatMap(methodsOf))].sort();
}

/** The names of a path's parameters. */
export function parametersOf(path: string): string[] {
  return [...path.matchAll(/\{(\w+)\}/g)].map(([, name = '']) => name);
}

/** Matches the decoded paths that a route's path describes. Captures the parameters. Each is one non-empty segment. */
export function pathShape(path: string): RegExp {
  return new RegExp(`^${path.replace(/[.$]/g, '\\$&').replace(/\{\w+\}/g, '([^/]+)')}$`);
}
