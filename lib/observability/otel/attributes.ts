import type { Attributes } from '@opentelemetry/api';
import {
  ATTR_DB_OPERATION_NAME,
  ATTR_DB_SYSTEM_NAME,
  ATTR_ERROR_TYPE,
  ATTR_HTTP_REQUEST_METHOD,
  ATTR_HTTP_RESPONSE_STATUS_CODE,
  ATTR_HTTP_ROUTE,
  ATTR_SERVER_ADDRESS,
  ATTR_SERVER_PORT,
  ATTR_URL_SCHEME,
} from '@opentelemetry/semantic-conventions';
import type { RequestContext } from '../../request-context.ts';
import { fallback, methodsOf, routeNamed } from '../../routes.ts';
import type { BackendTrace, RequestTrace } from '../../tracing-channels.ts';

/**
 * What spans and metrics contain about requests and backend operations: no key, no value and no path. Names come from
 * OpenTelemetry's semantic conventions where those are stable.
 */

/** The attribute with the name of the endpoint, such as `get` or `batch-get`. */
export const OPERATION = 'cache.operation';

/** The value of `db.system.name` for every backend: it names the protocol. */
export const REDIS = 'redis';

/** The methods that the conventions list. Callers can invent others, and each would be a new time series. */
const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'CONNECT', 'OPTIONS', 'TRACE', 'PATCH'];
const OTHER_METHOD = '_OTHER';

/** The attributes of a request that have few values, and so may be attributes of metrics. */
export interface Kind {
  method: string;
  /** From the route table, with `{key}` in place of the key. Undefined for a request that matches no route. */
  route: string | undefined;
  scheme: 'http' | 'https';
}

export function kindOf({ request: { operation, event } }: RequestTrace): Kind {
  const route = operation === fallback.name ? undefined : routeNamed(operation);
  const scheme = event.headers['x-forwarded-proto'] === 'https' ? 'https' : 'http';
  if (!route) return { method: methodOf(event), route: undefined, scheme };
  const paths: readonly string[] = route.paths;
  for (const method of methodsOf(route)) {
    const path = paths.find((candidate) => event.routeKey === `${method} ${candidate}`);
    if (path !== undefined) return { method, route: path, scheme };
  }
  return { method: route.method, route: paths[0], scheme };
}

function methodOf({ requestContext }: RequestContext['event']): string {
  const method = requestContext?.http?.method;
  return METHODS.includes(method) ? method : OTHER_METHOD;
}

/** Method and route, as the conventions require. */
export function spanName({ method, route }: Kind): string {
  const verb = method === OTHER_METHOD ? 'HTTP' : method;
  return route === undefined ? verb : `${verb} ${route}`;
}

/** The HTTP status of a request; 500 if it was not answered. */
export function statusOf({ result }: RequestTrace): number {
  return result?.statusCode ?? 500;
}

/** Attributes of a request's span and metrics. */
export function httpAttributes({ method, route, scheme }: Kind, status: number): Attributes {
  return {
    [ATTR_HTTP_REQUEST_METHOD]: method,
    ...(route !== undefined && { [ATTR_HTTP_ROUTE]: route }),
    [ATTR_URL_SCHEME]: scheme,
    [ATTR_HTTP_RESPONSE_STATUS_CODE]: status,
    ...(status >= 500 && { [ATTR_ERROR_TYPE]: String(status) }),
  };
}

/** Attributes of a request's span, but not of metrics: each value would be a new time series. */
export function callerAttributes({ request }: RequestTrace): Attributes {
  const { operation, event, tenant, correlationId, requestId, logFields } = request;
  return {
    [OPERATION]: operation === fallback.name ? undefined : operation,
    'cache.tenant': tenant || undefined,
    'user.id': event.headers['x-user-id'],
    'cache.correlation_id': correlationId,
    'cache.request_id': requestId,
    'cache.hit': logFields.found,
  };
}

/** Attributes of a request's span on Lambda. */
export function invocationAttributes({ request }: RequestTrace, coldStart: boolean): Attributes {
  return {
    'faas.trigger': 'http',
    'faas.coldstart': coldStart,
    'faas.invocation_id': request.lambda.awsRequestId,
  };
}

/** Attributes of a finished backend operation's span and metrics. An error's message may contain keys: only its class is used. */
export function backendAttributes({ command, server, error }: BackendTrace): Attributes {
  const { host, port } = server() ?? {};
  return {
    [ATTR_DB_SYSTEM_NAME]: REDIS,
    [ATTR_DB_OPERATION_NAME]: command,
    ...(host !== undefined && { [ATTR_SERVER_ADDRESS]: host, [ATTR_SERVER_PORT]: port }),
    ...(error !== undefined && { [ATTR_ERROR_TYPE]: error instanceof Error ? error.name : '_OTHER' }),
  };
}
