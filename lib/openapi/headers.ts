import { type Schema, schemaRef } from './json-schema.ts';
import type { Limits } from './limits.ts';

/** An OpenAPI object that is written out once, among the components. */
export interface Ref {
  $ref: string;
}

/** The tenant in examples. */
export const SAMPLE_TENANT = 'tenant_123';

const [tenant, correlation, request] = ['TenantId', 'CorrelationId', 'RequestId'].map(schemaRef) as [
  Schema,
  Schema,
  Schema,
];

const ECHOED =
  'A UUID v4 is made where it is absent or not of this form. It comes back in the body and as a header.';

/** The headers that requests may have, by their names among the components. */
export function requestHeaders({ tenantClaim }: Limits) {
  const header = (name: string, schema: Schema, description: string, more = {}) => ({
    name,
    in: 'header',
    description,
    schema,
    ...more,
  });
  return {
    Tenant: tenantClaim
      ? header(
          'X-Tenant-ID',
          tenant,
          `May be left out; otherwise it repeats the token's claim \`${tenantClaim}\`.`,
        )
      : header('X-Tenant-ID', tenant, 'In whose name the request is made.', {
          required: true,
          example: SAMPLE_TENANT,
        }),
    User: header('X-User-ID', { type: 'string' }, 'For the log and for traces; it is never stored.'),
    Correlation: header('X-Correlation-ID', correlation, `Of a chain of calls. ${ECHOED}`),
    Request: header('X-Request-ID', request, `Of this request. ${ECHOED}`),
    TraceParent: header(
      'traceparent',
      { type: 'string' },
      "[W3C trace context](https://www.w3.org/TR/trace-context/): the caller's span, which the service's are put under if it traces. Ignored where it is malformed.",
    ),
    TraceState: header('tracestate', { type: 'string' }, 'Handed on beside `traceparent`.'),
  };
}

/** The headers that answers may have, by their names. */
export const answerHeaders = {
  'X-Correlation-ID': {
    required: true,
    description: "The caller's, or one that was made.",
    schema: correlation,
  },
  'X-Request-ID': {
    required: true,
    description: "The caller's, or one that was made.",
    schema: request,
  },
  'Cache-Control': {
    required: true,
    description: 'An answer kept by anything in between would outlive the next invalidation.',
    schema: { type: 'string', const: 'no-store' },
  },
  'Retry-After': {
    required: true,
    description: 'Seconds after which the same request may be sent again.',
    schema: { type: 'integer', minimum: 1 },
  },
  Allow: {
    required: true,
    description: 'The methods that the path accepts, separated by commas.',
    schema: { type: 'string' },
  },
};

/** Headers that only some failures have. */
const OF_SOME = ['Retry-After', 'Allow'];

/** References to what every answer has, and to further headers by their names in any case. */
export function answerHeaderRefs(further: readonly string[] = []): Record<string, Ref> {
  const lower = further.map((name) => name.toLowerCase());
  const names = Object.keys(answerHeaders).filter(
    (name) => !OF_SOME.includes(name) || lower.includes(name.toLowerCase()),
  );
  return Object.fromEntries(names.map((name) => [name, { $ref: `#/components/headers/${name}` }]));
}
