/**
 * The one table of routes. The stack, the local server and the OpenAPI document are all made from it.
 *
 * To add an endpoint: one file in `functions/`, one row here, and what `lib/openapi/operations/` says of it, without which the
 * document does not type-check.
 */
export interface Route {
  /** The operation, and the name of its file in `functions/`. */
  name: string;
  method: 'GET' | 'POST' | 'DELETE' | 'ANY';
  /** Paths as API Gateway's HTTP API writes them: `{name}` takes exactly one segment. */
  paths: readonly string[];
  /**
   * What it does to entries. `write` and `sweep` change some, so their functions publish events; a `sweep` also walks through
   * all of a tenant's entries, so it gets more time, a stricter throttle, and metrics of its own.
   */
  kind: 'read' | 'write' | 'sweep';
  /** True for what carries values, whose size is a metric. */
  values?: true;
  /** False for what needs no tenant, and so no authorization either. */
  tenant: boolean;
  /** False for what answers without the cache: its function is in no network, has no secret and connects to nothing. */
  backend?: false;
}

const API = '/api/v1/cache';

export const routes = [
  { name: 'set', method: 'POST', paths: [API], kind: 'write', values: true, tenant: true },
  // The key as `?key=` is for keys that a path cannot carry: `/` and `?` do not survive API Gateway's decoding.
  { name: 'get', method: 'GET', paths: [`${API}/{key}`, API], kind: 'read', values: true, tenant: true },
  { name: 'delete', method: 'DELETE', paths: [`${API}/{key}`, API], kind: 'write', tenant: true },
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

/** Answers what no route takes, so that an unknown path gets the contract's envelope and not the gateway's own. */
export const fallback = {
  name: 'not-found',
  method: 'ANY',
  paths: ['$default'],
  kind: 'read',
  tenant: false,
  backend: false,
} as const satisfies Route;

/** The name of an endpoint, of its function file and of its operation in logs. */
export type Operation = (typeof routes)[number]['name'] | (typeof fallback)['name'];

const byName = new Map<string, Route>([...routes, fallback].map((route) => [route.name, route]));

/** The row of an operation; undefined for a name that is no operation. */
export function routeNamed(name: Operation): Route;
export function routeNamed(name: string): Route | undefined;
export function routeNamed(name: string): Route | undefined {
  return byName.get(name);
}

/** The methods that the routes accept. */
type Method = Route['method'] | 'HEAD';

/** The methods that a route accepts. HEAD is answered as GET, without the body. */
export function methodsOf({ method }: Pick<Route, 'method'>): Method[] {
  return method === 'GET' ? ['GET', 'HEAD'] : [method];
}

/**
 * The methods that a path accepts, in alphabetical order; empty if no route has the path.
 *
 * @param path decoded, as API Gateway passes it to a function
 */
export function allowedMethods(path: string): Method[] {
  const found = routes.filter(({ paths }) => paths.some((template) => hasForm(path, template)));
  return [...new Set(found.flatMap(methodsOf))].sort();
}

function hasForm(path: string, template: string): boolean {
  const segments = path.split('/');
  const wanted = template.split('/');
  return (
    segments.length === wanted.length &&
    wanted.every((name, index) => (name.startsWith('{') ? segments[index] !== '' : segments[index] === name))
  );
}
