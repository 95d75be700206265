import { CORS } from '../cors.ts';
import type { IncomingRequest } from './request.ts';
import type { Result } from './response.ts';

/** The CORS policy of the local server. Its responses are those of an HTTP API with the same origins. */
export interface Cors {
  /** The response to a preflight request, which reaches no function; undefined for any other request. */
  preflight: (request: IncomingRequest) => Result | undefined;
  /** Adds the headers that allow a page of the origin to read the response. */
  expose: (result: Result, origin: string | undefined) => Result;
}

/** @param origins of the pages that may call; `*` stands for all origins */
export function createCors(origins: readonly string[]): Cors {
  const anyOrigin = origins.includes('*');
  /** The headers for an origin; `more` are added if its pages may call. */
  const headersFor = (origin: string | undefined, more: Record<string, string>): Record<string, string> => {
    if (anyOrigin) return { 'access-control-allow-origin': '*', ...more };
    if (origin === undefined || !origins.includes(origin)) return { vary: 'origin' };
    return { vary: 'origin', 'access-control-allow-origin': origin, ...more };
  };

  return {
    preflight: ({ method, head: { headers } }) => {
      const isPreflight =
        method === 'OPTIONS' &&
        headers.origin !== undefined &&
        headers['access-control-request-method'] !== undefined;
      if (!isPreflight) return undefined;
      const allowed = {
        'access-control-allow-methods': CORS.methods.join(','),
        'access-control-allow-headers': CORS.requestHeaders.join(','),
        'access-control-max-age': String(CORS.maxAgeSeconds),
      };
      return { statusCode: 204, headers: headersFor(headers.origin, allowed) };
    },
    expose: (result, origin) => {
      const exposed = { 'access-control-expose-headers': CORS.responseHeaders.join(',') };
      return { ...result, headers: { ...result.headers, ...headersFor(origin, exposed) } };
    },
  };
}
