import { methodsOf, routes } from '../lib/routes.ts';

/** What pages of other origins may send and read, for API Gateway and the local server alike. */
export const CORS = {
  methods: [...new Set(routes.flatMap(methodsOf))].sort(),
  /** The headers of the contract, and those that authorize a request. */
  requestHeaders: [
    'authorization',
    'content-type',
    'traceparent',
    'tracestate',
    'x-amz-content-sha256',
    'x-amz-date',
    'x-amz-security-token',
    'x-correlation-id',
    'x-request-id',
    'x-tenant-id',
    'x-user-id',
  ],
  responseHeaders: ['retry-after', 'x-correlation-id', 'x-request-id'],
  /** How long a browser may cache the answer to a preflight request. */
  maxAgeSeconds: 3600,
};
