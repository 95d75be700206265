import { readConfig } from '../../lib/config/config.ts';
import { SAMPLE_TENANT } from '../../lib/openapi/headers.ts';
import { isByQuery } from '../../lib/openapi/operation.ts';
import { type Exchange, session } from '../../lib/openapi/session/index.ts';
import { type Route, routes } from '../../lib/routes.ts';
import type { RawRequest } from '../http/gateway-raw.ts';
import type { Described } from './described.ts';

/** The session of which the document's examples are made, in its order, where nothing is set. */
export const exchanges: readonly Exchange[] = session(readConfig({}));

/** A request as it goes over the wire, in the name of the examples' tenant. */
export interface Sent extends RawRequest {
  headers: string[];
}

/** The request of an exchange. */
export function requestOf({ operation, byQuery, parameters = {}, body }: Exchange): Sent {
  const route = routeOf(operation);
  const path = route.paths.find((one) => isByQuery(route, one) === Boolean(byQuery)) ?? '';
  const filled = path.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(parameters[name] ?? ''));
  const query = byQuery ? `?${new URLSearchParams(parameters)}` : '';
  return request(route.method, `${filled}${query}`, body);
}

/** The requests of an operation's examples that are accepted; of one without examples, the only one that there can be. */
export function acceptedRequests(operation: Described): [Sent, ...Sent[]] {
  const [first, ...more] = exchangesOf(operation).filter(({ answer }) => answer.status < 400);
  if (!first) return [request(operation.method, operation.path, undefined)];
  return [requestOf(first), ...more.map(requestOf)];
}

/** Those of the session that are examples of an operation. */
export function exchangesOf({ method, path }: Described): Exchange[] {
  return exchanges.filter(({ operation, byQuery }) => {
    const route = routeOf(operation);
    return (
      route.method === method && route.paths.includes(path) && isByQuery(route, path) === Boolean(byQuery)
    );
  });
}

/** The same request with a header in place of another one, or without it. */
export function withHeader(sent: Sent, name: string, value?: string): Sent {
  const kept = sent.headers.filter((_, i) => sent.headers[i - (i % 2)]?.toLowerCase() !== name.toLowerCase());
  return { ...sent, headers: value === undefined ? kept : [...kept, name, value] };
}

function request(method: string, target: string, body: unknown): Sent {
  const headers = ['X-Tenant-ID', SAMPLE_TENANT];
  if (body === undefined) return { method, target, headers };
  return {
    method,
    target,
    headers: [...headers, 'Content-Type', 'application/json'],
    body: JSON.stringify(body),
  };
}

function routeOf(operation: Exchange['operation']): Route {
  const route = routes.find(({ name }) => name === operation);
  if (!route) throw new Error(`No route is called ${operation}`);
  return route;
}
