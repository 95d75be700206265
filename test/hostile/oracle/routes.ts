/** What a request is about, by its method and its path alone. */
export interface Routed {
  name: RouteName;
  /** What the path's parameter holds, where it has one. */
  parameter?: string;
}

const API = '/api/v1/cache';

/** The contract's endpoints, a route with a parameter after those without. */
const table = [
  ['health', 'GET', '/health'],
  ['openapi', 'GET', '/openapi.json'],
  ['get', 'GET', API],
  ['set', 'POST', API],
  ['delete', 'DELETE', API],
  ['touch', 'POST', `${API}/touch`],
  ['lease', 'POST', `${API}/lease`],
  ['release', 'POST', `${API}/lease/release`],
  ['invalidate', 'POST', `${API}/invalidate`],
  ['batch get', 'POST', `${API}/batch/get`],
  ['batch set', 'POST', `${API}/batch/set`],
  ['batch delete', 'POST', `${API}/batch/delete`],
  ['get', 'GET', `${API}/{}`],
  ['delete', 'DELETE', `${API}/{}`],
  ['keys', 'GET', `${API}/tenant/{}/keys`],
  ['usage', 'GET', `${API}/tenant/{}`],
  ['clear', 'DELETE', `${API}/tenant/{}`],
] as const;

export type RouteName = (typeof table)[number][0];

/** Those that need no tenant. */
export const OPEN: readonly RouteName[] = ['health', 'openapi'];

/** Whether a service has a route at all; a path's parameters are written `{}`. */
export type Serves = (method: string, path: string) => boolean;

/** Finds the route of a method and a path that has been decoded; a parameter takes one segment that is not empty. */
export function routeOf(method: string, path: string, serves: Serves): Routed | undefined {
  // HEAD is answered as GET.
  const asked = method === 'HEAD' ? 'GET' : method;
  return routesAt(path, serves).find((route) => route.method === asked);
}

/** The methods that a path has, as `Allow` lists them. */
export function methodsAt(path: string, serves: Serves): string[] {
  const methods = routesAt(path, serves).map(({ method }) => method);
  return [...new Set(methods.includes('GET') ? [...methods, 'HEAD'] : methods)].sort();
}

function routesAt(path: string, serves: Serves): (Routed & { method: string })[] {
  return table.flatMap(([name, method, template]) => {
    if (!serves(method, template)) return [];
    const [start = '', end] = template.split('{}');
    if (end === undefined) return path === template ? [{ name, method }] : [];
    if (!path.startsWith(start) || !path.endsWith(end)) return [];
    const parameter = path.slice(start.length, path.length - end.length);
    const fits = parameter !== '' && !parameter.includes('/');
    return fits ? [{ name, method, parameter }] : [];
  });
}
