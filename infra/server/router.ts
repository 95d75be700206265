import { methodsOf, type Route } from '../../lib/routes.ts';

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

/** A path with parameters. `literals` are the texts around them: one more than there are parameters. */
interface Pattern {
  name: string;
  routeKey: string;
  literals: string[];
  parameters: string[];
}

interface MethodTable {
  /** Complete matches by path. */
  literal: Map<string, Match>;
  patterns: Pattern[];
}

/**
 * Compiles the route table to a router with the rules of API Gateway's HTTP API: of the routes of the request's method, a literal
 * path takes precedence over one with parameters. A parameter matches exactly one non-empty segment. Requests that match no route
 * go to the fallback.
 */
export function createRouter(routes: readonly Route[], fallback: Route): Router {
  const tables = new Map<string, MethodTable>();
  for (const route of routes) {
    const { name, paths } = route;
    for (const method of methodsOf(route)) {
      const table: MethodTable = tables.get(method) ?? { literal: new Map(), patterns: [] };
      tables.set(method, table);
      for (const path of paths) {
        const routeKey = `${method} ${path}`;
        if (path.includes('{')) table.patterns.push(compile(name, routeKey, path));
        else table.literal.set(path, { name, routeKey });
      }
    }
  }
  for (const { patterns } of tables.values()) patterns.sort(moreLiteralFirst);

  const unrouted: Match = { name: fallback.name, routeKey: fallback.paths[0] ?? '$default' };
  return (method, path) => find(tables.get(method), path) ?? find(tables.get('ANY'), path) ?? unrouted;
}

function compile(name: string, routeKey: string, path: string): Pattern {
  // Splitting at a captured name leaves literals at even indexes and names at odd ones.
  const parts = path.split(/\{([^{}]+)\}/);
  return {
    name,
    routeKey,
    literals: parts.filter((_, index) => index % 2 === 0),
    parameters: parts.filter((_, index) => index % 2 === 1),
  };
}

/** The earlier a parameter stands, the less specific its path. */
function moreLiteralFirst(a: Pattern, b: Pattern): number {
  return (b.literals[0] as string).length - (a.literals[0] as string).length;
}

function find(table: MethodTable | undefined, path: string): Match | undefined {
  if (!table) return undefined;
  const complete = table.literal.get(path);
  if (complete) return complete;
  for (const pattern of table.patterns) {
    const pathParameters = parametersOf(pattern, path);
    if (pathParameters) return { name: pattern.name, routeKey: pattern.routeKey, pathParameters };
  }
  return undefined;
}

function parametersOf({ literals, parameters }: Pattern, path: string): Record<string, string> | undefined {
  if (!path.startsWith(literals[0] as string)) return undefined;
  const found: Record<string, string> = {};
  let from = (literals[0] as string).length;
  for (let i = 0; i < parameters.length; i++) {
    const slash = path.indexOf('/', from);
    const to = slash < 0 ? path.length : slash;
    if (to === from) return undefined;
    const after = literals[i + 1] as string;
    if (!path.startsWith(after, to)) return undefined;
    found[parameters[i] as string] = path.slice(from, to);
    from = to + after.length;
  }
  return from === path.length ? found : undefined;
}
