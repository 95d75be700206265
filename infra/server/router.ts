import { methodsOf, parametersOf, pathShape, type Route } from '../../lib/routes.ts';

export interface Match {
  /** Name of the route and of its function. */
  name: string;
  /** As in API Gateway: `GET /api/v1/cache/{key}`, or `$default`. */
  routeKey: string;
  /** Absent for a route without parameters. */
  pathParameters?: Record<string, string>;
}

/** Finds the route of a method and a decoded path. */
export type Router = (method: string, path: string) => Match;

/**
 * Compiles the route table to a router with the rules of API Gateway's HTTP API: of the routes of the request's method, a literal
 * path takes precedence over one with parameters, and then the path whose first parameter comes later. A parameter matches exactly
 * one non-empty segment. Requests that match no route go to the fallback.
 */
export function createRouter(routes: readonly Route[], fallback: Route): Router {
  const compiled = routes
    .flatMap((route) =>
      methodsOf(route).flatMap((method) =>
        route.paths.map((path) => ({
          method,
          name: route.name,
          routeKey: `${method} ${path}`,
          shape: pathShape(path),
          parameters: parametersOf(path),
          literalLength: path.includes('{') ? path.indexOf('{') : Number.MAX_SAFE_INTEGER,
        })),
      ),
    )
    .sort((a, b) => b.literalLength - a.literalLength);

  const byMethod = Map.groupBy(compiled, ({ method }): string => method);

  const find = (method: string, path: string): Match | undefined => {
    for (const { name, routeKey, shape, parameters } of byMethod.get(method) ?? []) {
      const values = shape.exec(path);
      if (!values) continue;
      if (parameters.length === 0) return { name, routeKey };
      const pathParameters: Record<string, string> = {};
      for (const [i, parameter] of parameters.entries()) pathParameters[parameter] = values[i + 1] as string;
      return { name, routeKey, pathParameters };
    }
    return undefined;
  };
  const unrouted: Match = { name: fallback.name, routeKey: fallback.paths[0] ?? '$default' };
  return (method, path) => find(method, path) ?? find('ANY', path) ?? unrouted;
}
