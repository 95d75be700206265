/** The route of a request. */
export interface Routed {
  name: RouteName;
  /** Value of the path parameter, if the route has one. */
  parameter?: string;
}

const API = '/api/v1/cache';

/** The contract's endpoints. Routes with a parameter come last, because fixed paths take precedence. */
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

/** Routes that need no tenant. */
export const TENANTLESS: readonly RouteName[] = ['health', 'openapi'];

/** Whether a service has a route. Path parameters are written `{}`. */
export type HasRoute = (method: string, path: string) => boolean;

/** Finds the route of a method and a decoded path. A parameter matches one non-empty segment. */
export function routeOf(method: string, path: string, hasRoute: HasRoute): Routed | undefined {
  // HEAD uses the routes of GET.
  const routedMethod = method === 'HEAD' ? 'GET' : method;
  return routesAt(path, hasRoute).find((route) => route.method === routedMethod);
}

/** Returns the methods of a path in the order of the `Allow` header. */
export function methodsAt(path: string, hasRoute: HasRoute): string[] {
  const methods = routesAt(path, hasRoute).map(({ method }) => method);
  return [...new Set(methods.includes('GET') ? [...methods, 'HEAD'] : methods)].sort();
}

function routesAt(path: string, hasRoute: HasRoute): (Routed & { method: string })[] {
  return table.flatMap(([name, method, template]) => {
    if (!hasRoute(method, template)) return [];
    const [start = '', end] = template.split('{}');
    if (end === undefined) return path === template ? [{ name, method }] : [];
    if (!path.startsWith(start) || !path.endsWith(end)) return [];
    const parameter = path.slice(start.length, path.length - end.length);
    const fits = parameter !== '' && !parameter.includes('/');
    return fits ? [{ name, method, parameter }] : [];
  });
}
