import { readConfig } from '../../lib/config/config.ts';
import { type Limits, SAMPLE_TENANT } from '../../lib/openapi/components.ts';
import type { EndpointName, Example } from '../../lib/openapi/endpoint.ts';
import { endpointDocumentation } from '../../lib/openapi/endpoints/index.ts';
import { isByQuery } from '../../lib/openapi/operation.ts';
import { parametersOf, type Route, routes } from '../../lib/routes.ts';
import { MAX_LEASE_SECONDS } from '../../lib/store/lease.ts';
import type { RawRequest } from '../http/gateway-raw.ts';
import type { Described } from './described.ts';

/** An example and its endpoint. */
export interface EndpointExample extends Example {
  endpoint: EndpointName;
}

/** All examples of the document with these settings. */
export function examplesWith(limits: Limits): EndpointExample[] {
  const all = endpointDocumentation(limits);
  return (Object.keys(all) as EndpointName[]).flatMap((endpoint) =>
    all[endpoint].examples.map((example) => ({ endpoint, ...example })),
  );
}

/** All examples of the document with the default settings. */
export const examples: readonly EndpointExample[] = examplesWith(readConfig({}));

/** A request of the examples' tenant, as it is sent. */
export interface Sent extends RawRequest {
  headers: string[];
}

/** The request of an example. */
export function requestOf(example: EndpointExample): Sent {
  const { path, parameters, query } = addressOf(example);
  const filled = path.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(parameters[name] ?? ''));
  const { method } = routeOf(example.endpoint);
  return request(method, query === '' ? filled : `${filled}?${query}`, example.body);
}

/** The path of an example's route, its decoded parameters, and the encoded query: the parameters that are not in the path. */
export function addressOf({ endpoint, byQuery, parameters = {} }: EndpointExample) {
  const route = routeOf(endpoint);
  const path = route.paths.find((one) => isByQuery(route, one) === Boolean(byQuery)) ?? '';
  const inPath = parametersOf(path);
  const [own, others] = [true, false].map((wanted) =>
    Object.entries(parameters).filter(([name]) => inPath.includes(name) === wanted),
  );
  return { path, parameters: Object.fromEntries(own ?? []), query: String(new URLSearchParams(others)) };
}

/** The requests that set the entries of an example and get its leases. */
export function preparationsOf({ given = [], leased = [] }: EndpointExample): Sent[] {
  const send = (endpoint: EndpointName, body: unknown) => {
    const { method, paths } = routeOf(endpoint);
    return request(method, paths[0] ?? '', body);
  };
  return [
    ...given.map((entry) => send('set', entry)),
    ...leased.map((key) => send('lease', { key, lease: MAX_LEASE_SECONDS })),
  ];
}

/** The requests of an operation's successful examples, or the only possible request if the operation has no examples. */
export function acceptedRequests(operation: Described): [Sent, ...Sent[]] {
  const [first, ...more] = examplesOf(operation).filter(({ response }) => response.status < 400);
  if (!first) return [request(operation.method, operation.path, undefined)];
  return [requestOf(first), ...more.map(requestOf)];
}

/** The examples of an operation. */
export function examplesOf({ method, path }: Described): EndpointExample[] {
  return examples.filter(({ endpoint, byQuery }) => {
    const route = routeOf(endpoint);
    return (
      route.method === method && route.paths.includes(path) && isByQuery(route, path) === Boolean(byQuery)
    );
  });
}

/** A copy of the request with a header replaced, or removed if no value is given. */
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

function routeOf(endpoint: EndpointName): Route {
  const route = routes.find(({ name }) => name === endpoint);
  if (!route) throw new Error(`No route is called ${endpoint}`);
  return route;
}
