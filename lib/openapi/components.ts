import type { Config } from '../config/config.ts';
import { MAX_KEY_BYTES, MAX_TAG_BYTES, tenantSchema } from '../http/schemas.ts';
import { convert, convertShared, type Schema, schemaRef } from './json-schema.ts';

/** What several parts of the document refer to: schemas, headers, and how callers authenticate. */

/** The settings that callers can notice, from which the document is made. */
export type Limits = Pick<
  Config,
  'serviceName' | 'defaultTtlSeconds' | 'maxTtlSeconds' | 'maxValueBytes' | 'tenantClaim' | 'onLambda'
>;

/** OpenAPI's Reference Object. */
export interface Ref {
  $ref: string;
}

/** The tenant in examples. */
export const SAMPLE_TENANT = 'tenant_123';

/** The schemas that several endpoints use. Those of one endpoint are in its file. */
export function sharedSchemas(): Record<string, Schema> {
  const shared = convertShared();
  const identifier: Schema = { type: 'string', pattern: '^[!-~]{1,128}$' };
  return {
    TenantId: {
      ...convert(tenantSchema),
      description:
        '1 to 128 letters, digits, dots, underscores or hyphens. The first is a letter or a digit.',
    },
    Key: {
      ...shared.Key,
      description: `At most ${MAX_KEY_BYTES} bytes of well-formed UTF-8 without control characters.`,
    },
    Tag: {
      ...shared.Tag,
      description: `At most ${MAX_TAG_BYTES} bytes of well-formed UTF-8 without control characters.`,
    },
    Value: { description: 'Any JSON, also null. It is returned as it was sent, digit for digit.' },
    Ttl: { type: 'integer', minimum: 1, description: 'Time to live in whole seconds.' },
    CorrelationId: identifier,
    RequestId: identifier,
  };
}

const [tenant, correlation, request] = ['TenantId', 'CorrelationId', 'RequestId'].map(schemaRef) as [
  Schema,
  Schema,
  Schema,
];

const ECHOED =
  'If it is absent or does not have this form, the service creates a UUID v4. The response repeats it in its body and as a header.';

/** The headers that requests may have, by their component names. */
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
          `Optional. If it is present, it must be equal to the token's claim \`${tenantClaim}\`.`,
        )
      : header('X-Tenant-ID', tenant, 'The tenant in whose name the request is made.', {
          required: true,
          example: SAMPLE_TENANT,
        }),
    User: header('X-User-ID', { type: 'string' }, 'Appears in the log and in traces. It is never stored.'),
    Correlation: header('X-Correlation-ID', correlation, `Identifies a chain of calls. ${ECHOED}`),
    Request: header('X-Request-ID', request, `Identifies this request. ${ECHOED}`),
    TraceParent: header(
      'traceparent',
      { type: 'string' },
      "[W3C trace context](https://www.w3.org/TR/trace-context/): the caller's span. If the service traces, it is the parent of the service's span. A malformed one is ignored.",
    ),
    TraceState: header('tracestate', { type: 'string' }, 'Passed on with `traceparent`.'),
  };
}

/** The headers that responses may have, by their names. */
export const responseHeaders = {
  'X-Correlation-ID': {
    required: true,
    description: "The request's, or one that the service created.",
    schema: correlation,
  },
  'X-Request-ID': {
    required: true,
    description: "The request's, or one that the service created.",
    schema: request,
  },
  'Cache-Control': {
    required: true,
    description: 'A response that a proxy stored would outlive the next invalidation.',
    schema: { type: 'string', const: 'no-store' },
  },
  'Retry-After': {
    required: true,
    description: 'Seconds to wait before the same request is sent again.',
    schema: { type: 'integer', minimum: 1 },
  },
  RateLimit: {
    required: false,
    description:
      "What is left of the tenant's request rate: `r` requests, and `t` seconds until all of the burst is left. Absent without such a limit. Source: draft-ietf-httpapi-ratelimit-headers.",
    schema: { type: 'string', pattern: '^"tenant";r=\\d+;t=\\d+$' },
  },
  'RateLimit-Policy': {
    required: false,
    description:
      "The tenant's request rate: a burst of `q` requests, which `w` seconds restore. Absent without such a limit.",
    schema: { type: 'string', pattern: '^"tenant";q=\\d+;w=\\d+$' },
  },
  Allow: {
    required: true,
    description: 'The methods that the path accepts, separated by commas.',
    schema: { type: 'string' },
  },
};

/** Headers that only some failures have. */
const FAILURE_HEADERS = ['Retry-After', 'Allow'];

/** References to the headers that every response has, and to more of them by their names in any case. */
export function responseHeaderRefs(more: readonly string[] = []): Record<string, Ref> {
  const lower = more.map((name) => name.toLowerCase());
  const names = Object.keys(responseHeaders).filter(
    (name) => !FAILURE_HEADERS.includes(name) || lower.includes(name.toLowerCase()),
  );
  return Object.fromEntries(names.map((name) => [name, { $ref: `#/components/headers/${name}` }]));
}

/** The security schemes. Callers authenticate to API Gateway. Undefined on a local server, which does not authenticate them. */
export function security({ tenantClaim, onLambda }: Limits) {
  if (tenantClaim !== undefined) {
    const description = `A token of the deployment's issuer. Its claim \`${tenantClaim}\` is the tenant.`;
    return scheme('token', { type: 'http', scheme: 'bearer', bearerFormat: 'JWT', description });
  }
  if (!onLambda) return undefined;
  return scheme('signature', {
    type: 'apiKey',
    in: 'header',
    name: 'Authorization',
    'x-amazon-apigateway-authtype': 'awsSigv4',
    description:
      'An AWS Signature Version 4 of the request for the service `execute-api`. Use an SDK to create it. A deployment with `authorization=none` does not require it.',
  });
}

function scheme(name: string, description: object) {
  return { schemes: { [name]: description }, requirements: [{ [name]: [] }] };
}
