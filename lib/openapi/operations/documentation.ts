import type { PayloadTooLargeError } from '../../errors.ts';
import type { Route } from '../../routes.ts';
import type { FailureName } from '../failures.ts';

/** What the headings of the document say, in their order. */
export const tags = {
  Entries: 'One entry at a time, and all whose keys match a pattern.',
  Batches: 'Up to a hundred entries in one request and one round trip.',
  Tenant: "All of the caller's own entries.",
  Service: 'The service itself. Needs no tenant and no authorization.',
};

/** What is to be told of an operation beside what its route, the schemas and the failures tell. */
export interface Documentation {
  /** Names for generated clients: one for each path of the route, in their order. */
  ids: readonly [string, ...string[]];
  tag: keyof typeof tags;
  summary: string;
  description: string;
  /** The schema of the body that it takes. */
  body?: string;
  answers: readonly [Success, ...Success[]];
  /** Beside those that every operation of its kind has, see {@link failuresOf}. */
  failures?: readonly FailureName[];
  /** What is too large for it, by the names of the examples. */
  tooLarge?: Record<string, { summary: string; error: PayloadTooLargeError }>;
}

/** An answer that is no failure. */
export interface Success {
  status: 200 | 201 | 204 | 503;
  description: string;
  /** The schema of its data, inside the envelope. */
  data?: string;
  /** The schema of its body, which has no envelope. With neither there is no body. */
  document?: string;
}

/** Every failure that an operation can be answered with, on one path of its route. */
export function failuresOf(
  { tenant, backend }: Route,
  path: string,
  { body, failures = [] }: Documentation,
  { tenantClaim }: { tenantClaim: string | undefined },
): FailureName[] {
  const names = new Set<FailureName>(failures);
  if (tenant) {
    names.add('ValidationError').add('MissingTenantError');
    // Only a token can say something else than the header.
    if (tenantClaim !== undefined) names.add('TenantMismatchError');
  }
  // With a key that does not fit into it, the path is no longer that of the operation.
  if (path.includes('{key}')) names.add('NotFoundError');
  if (body !== undefined) names.add('PayloadTooLargeError').add('UnsupportedMediaTypeError');
  if (backend !== false) {
    names.add('InternalError');
    if (tenant) names.add('BackendUnavailableError');
  }
  return [...names];
}
