import type { Attributes } from '@opentelemetry/api';
import {
  ATTR_ERROR_TYPE,
  ATTR_HTTP_REQUEST_METHOD,
  ATTR_HTTP_RESPONSE_STATUS_CODE,
  ATTR_HTTP_ROUTE,
  ATTR_URL_SCHEME,
} from '@opentelemetry/semantic-conventions';
import type { RequestContext } from '../../request-context.ts';
import { fallback, methodsOf, routeNamed } from '../../routes.ts';
import type { RequestTrace } from '../tracing-channels.ts';
import * as names from './names.ts';

/** What HTTP's conventions know by name; every other method, which a caller may make up, is one. */
const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'CONNECT', 'OPTIONS', 'TRACE', 'PATCH'];
const OTHER_METHOD = '_OTHER';

/** What a request is by its route: the same few for all requestTraces, so that they may stand on metrics as well. */
export interface Kind {
  method: string;
  /** As the table of routes has it, with `{key}` for the key. Undefined for what no route takes. */
  route: string | undefined;
  scheme: 'http' | 'https';
}

/** By the table alone: the path itself holds the key, which is nobody's business. */
export function kindOf({ request: { operation, event } }: RequestTrace): Kind {
  const route = operation === fallback.name ? undefined : routeNamed(operation);
  const scheme = event.headers['x-forwarded-proto'] === 'https' ? 'https' : 'http';
  if (!route) return { method: methodOf(event), route: undefined, scheme };
  const paths: readonly string[] = route.paths;
  for (const method of methodsOf(route)) {
    const path = paths.find((one) => event.routeKey === `${method} ${one}`);
    if (path !== undefined) return { method, route: path, scheme };
  }
  return { method: route.method, route: paths[0], scheme };
}

function methodOf({ requestContext }: RequestContext['event']): string {
  const method = requestContext?.http?.method;
  return METHODS.includes(method) ? method : OTHER_METHOD;
}

/** As the conventions make it of method and route. */
export function spanName({ method, route }: Kind): string {
  const verb = method === OTHER_METHOD ? 'HTTP' : method;
  return route === undefined ? verb : `${verb} ${route}`;
}

/** What spans and metrics tell of a request. */
export function httpAttributes({ method, route, scheme }: Kind, status: number): Attributes {
  return {
    [ATTR_HTTP_REQUEST_METHOD]: method,
    ...(route !== undefined && { [ATTR_HTTP_ROUTE]: route }),
    [ATTR_URL_SCHEME]: scheme,
    [ATTR_HTTP_RESPONSE_STATUS_CODE]: status,
    ...(status >= 500 && { [ATTR_ERROR_TYPE]: String(status) }),
  };
}

/** What only spans tell of a request: in whose name it was made, and where else to look for it. */
export function callerAttributes({ request }: RequestTrace): Attributes {
  const { operation, event, tenant, correlationId, requestId, logFields } = request;
  return {
    [names.OPERATION]: operation === fallback.name ? undefined : operation,
    [names.TENANT]: tenant || undefined,
    [names.USER_ID]: event.headers['x-user-id'],
    [names.CORRELATION_ID]: correlationId,
    [names.REQUEST_ID]: requestId,
    [names.HIT]: logFields.found,
  };
}

/** Of an answer that never came, as of one that says that we failed. */
export function statusOf({ result }: RequestTrace): number {
  return result?.statusCode ?? 500;
}
