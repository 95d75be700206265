import { PayloadTooLargeError, TenantMismatchError } from '../errors.ts';
import type { Route, routes } from '../routes.ts';
import type { Limits } from './components.ts';
import { type FailureName, failureExample, rejectionOf, successExample } from './failures.ts';
import type { Schema } from './json-schema.ts';

/** The name of an endpoint that has a route. */
export type EndpointName = (typeof routes)[number]['name'];

/** The document's sections, in their order, and their descriptions. */
export const tags = {
  Entries: 'One entry at a time, and all entries whose keys match a pattern.',
  Batches: 'Up to a hundred entries in one request and one round trip.',
  Tenant: "All of the caller's own entries.",
  Service: 'The service itself. Requires neither a tenant nor authorization.',
};

/** An endpoint's part of the document that its route and the classes of failures do not contain. */
export interface EndpointDocumentation {
  /** Method names for generated clients: one for each path of the route, in their order. */
  operationIds: readonly [string, ...string[]];
  tag: keyof typeof tags;
  summary: string;
  description: string;
  /** Schemas that it adds to the document's components, by their names. Others may refer to them. */
  schemas?: Record<string, Schema>;
  /** The name of its body's schema. Undefined: it takes no body. */
  requestBody?: string;
  /** Its optional query parameters, by their names. */
  queryParameters?: Record<string, { schema: Schema; description: string }>;
  successes: readonly [Success, ...Success[]];
  /** Failures beside those of every endpoint of its kind, see `failuresOf`. */
  failures?: readonly FailureName[];
  /** Requests or responses that are too large, by the names of the examples. */
  tooLarge?: Record<string, { summary: string; error: PayloadTooLargeError }>;
  examples: readonly Example[];
}

/** A response that is not a failure. Without `data` and `document` it has no body. */
export interface Success {
  /** 503 is the health report of a service whose backend does not answer. */
  status: 200 | 201 | 204 | 503;
  description: string;
  /** The name of its data's schema, inside the envelope. */
  data?: string;
  /** The name of its body's schema, for a body without the envelope. */
  document?: string;
}

/**
 * A request and its response. No example depends on another one: sent for a tenant that has the entries of `given`, the
 * leases of `leased` and no others, the request gets this response, except for identifiers, times, and what depends on the backend.
 */
export interface Example {
  /** Unique among the endpoint's examples with the same status and the same path. */
  name: string;
  summary: string;
  given?: readonly GivenEntry[];
  /** True: the TTLs of `given` have passed. */
  expired?: true;
  /** Keys on which another caller has a lease. */
  leased?: readonly string[];
  /** True: the key is in the query instead of the path. */
  byQuery?: true;
  /** Parameters of the path or the query, decoded. */
  parameters?: Readonly<Record<string, string>>;
  body?: unknown;
  response: ExampleResponse;
}

/** The body of a set. */
interface GivenEntry {
  key: string;
  value: unknown;
  ttl?: number;
  grace?: number;
  tags?: readonly string[];
}

interface ExampleResponse {
  status: number;
  /** Undefined: no body. */
  body?: unknown;
}

export const ok = (data: unknown): ExampleResponse => ({ status: 200, body: successExample(data) });

export const created = (data: unknown): ExampleResponse => ({ status: 201, body: successExample(data) });

export const noContent: ExampleResponse = { status: 204 };

/** The 400 for an invalid input, see {@link rejectionOf}. */
export const rejected = (...input: Parameters<typeof rejectionOf>): ExampleResponse => ({
  status: 400,
  body: failureExample(rejectionOf(...input)),
});

/** Another tenant than the caller's, in the path or the body. */
export const OTHER_TENANT = { tenant_id: 'somebody_else' };

/** The 403 for {@link OTHER_TENANT}. */
export const forbidden: ExampleResponse = { status: 403, body: failureExample(new TenantMismatchError()) };

/** The documentation of a body that is larger than the limit, in bytes. */
export const largeBody = (maxBytes: number): EndpointDocumentation['tooLarge'] => ({
  'large-body': { summary: 'A body that is too large', error: new PayloadTooLargeError('body', maxBytes) },
});

/** Values in examples: an object and an embedding. */
export const PROFILE = { name: 'Ada', languages: ['en', 'fr'] };
export const EMBEDDING = [0.25, -0.5, 0.125];

/** A lease's token in examples. */
export const LEASE = '8Q2nTzV5bYd';

/** A key that a path cannot carry. */
export const PATHLESS_KEY = 'docs/readme?page=1';

/** Every failure that an endpoint can respond with, on one path of its route. */
export function failuresOf(
  { name, tenant, backend }: Route,
  path: string,
  { requestBody, failures = [] }: Pick<EndpointDocumentation, 'requestBody' | 'failures'>,
  { tenantClaim }: Pick<Limits, 'tenantClaim'>,
): FailureName[] {
  const names = new Set<FailureName>(failures);
  if (tenant) {
    names.add('ValidationError').add('MissingTenantError');
    // Only a token can contradict the header.
    if (tenantClaim !== undefined) names.add('TenantMismatchError');
  }
  // A key that does not fit into the path leads to another path.
  if (path.includes('{key}')) names.add('NotFoundError');
  if (requestBody !== undefined) names.add('PayloadTooLargeError').add('UnsupportedMediaTypeError');
  if (backend !== false) {
    names.add('InternalError');
    if (tenant) names.add('BackendUnavailableError');
    // A release belongs to a lease request that was counted.
    if (tenant && name !== 'lease-release') names.add('TenantRateLimitedError');
  }
  return [...names];
}
