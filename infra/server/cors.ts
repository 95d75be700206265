import { CORS } from '../cors.ts';
import type { IncomingRequest } from './gateway-event.ts';
import type { Result } from './response.ts';

/** Which pages may call from a browser, as API Gateway lets them. */
export interface Cors {
  /** The answer to a preflight request, which reaches no function; undefined for every other request. */
  preflight: (request: IncomingRequest) => Result | undefined;
  /** An answer with the headers by which the page of an origin may read it. */
  expose: (result: Result, origin: string | undefined) => Result;
}

/** @param origins those of the pages; one that is `*` stands for all */
export function createCors(origins: readonly string[]): Cors {
  const anyOrigin = origins.includes('*');
  /** The headers that depend on the origin, and `more` where its pages may call. */
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
