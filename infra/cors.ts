import { methodsOf, routes } from '../lib/routes.ts';

/** What pages of other origins may send and read, on API Gateway and on the local server alike. */
export const CORS = {
  methods: [...new Set(routes.flatMap(methodsOf))].sort(),
  /** Those of the contract, and those with which a request is authorized. */
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
  /** How long a browser need not ask again. */
  maxAgeSeconds: 3600,
};
