import { methodsOf, routes } from '../lib/routes.ts';

/** Methods and headers for pages of other origins. API Gateway and the local server use the same. */
export const CORS = {
  methods: [...new Set(routes.flatMap(methodsOf))].sort(),
  /** Headers of the API and of authorization. */
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
  responseHeaders: ['ratelimit', 'ratelimit-policy', 'retry-after', 'x-correlation-id', 'x-request-id'],
  /** Time for which a browser may cache the response to a preflight request. */
  maxAgeSeconds: 3600,
};
