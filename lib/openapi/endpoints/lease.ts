import { DEFAULT_LEASE_SECONDS, leaseSchema, MAX_REST_BYTES } from '../../http/schemas.ts';
import { MAX_LEASE_SECONDS } from '../../store/lease.ts';
import type { Limits } from '../components.ts';
import { type EndpointDocumentation, LEASE, largeBody, ok, PROFILE, rejected } from '../endpoint.ts';
import { convert, object, schemaRef, withMembers } from '../json-schema.ts';

/** The documentation of the tags of a lease request. */
export const LEASE_TAGS =
  'What the value will be made from. An invalidation of any of these tags ends the lease, and removes the stale value. They are not the tags of the entry that is set: send those with the set.';

export function lease({ maxTtlSeconds }: Limits): EndpointDocumentation {
  const key = 'user:123';
  const ttl = Math.min(60, maxTtlSeconds);
  const granted = { token: LEASE, ttl: DEFAULT_LEASE_SECONDS };
  const invalid = { key, lease: MAX_LEASE_SECONDS + 1 };
  return {
    operationIds: ['leaseEntry'],
    tag: 'Entries',
    summary: 'Get a value, or the lease to produce it',
    description: `A get for callers that produce missing values. If the key has no fresh value, one caller gets a lease: it produces the value and sets it with the token. Until then, the other callers get the stale value if there is one, and otherwise \`retry_after_ms\`. A lease ends when its time is over, or when its key is set, deleted, invalidated, cleared or evicted, or one of the tags of the request is invalidated. A value that was produced before an invalidation therefore cannot be set after it. A response without a value, a lease and \`retry_after_ms\` means that the backend cannot store leases now: produce the value.`,
    schemas: {
      LeaseRequest: withMembers(convert(leaseSchema), {
        lease: {
          description: `Whole seconds that the caller may take to produce the value: ${DEFAULT_LEASE_SECONDS} where it is absent or null.`,
        },
        tags: { description: LEASE_TAGS },
      }),
      Lease: object({
        token: schemaRef('LeaseToken'),
        ttl: {
          type: 'integer',
          minimum: 1,
          maximum: MAX_LEASE_SECONDS,
          description:
            'Whole seconds until the lease ends. Less than requested if the grace of the stale value ends before.',
        },
      }),
      FreshEntry: object(
        {
          key: schemaRef('Key'),
          value: schemaRef('Value'),
          found: { const: true },
          ttl: schemaRef('Ttl'),
          stale: { const: false },
        },
        { description: 'A value whose TTL has not passed.' },
      ),
      StaleEntry: object(
        {
          key: schemaRef('Key'),
          value: schemaRef('Value'),
          found: { const: true },
          ttl: { const: 0 },
          stale: { const: true },
          lease: schemaRef('Lease'),
        },
        {
          optional: ['lease'],
          description:
            'A value in its grace. Without `lease`, another caller has the lease, or the backend cannot store leases now.',
        },
      ),
      LeaseMiss: object(
        {
          key: schemaRef('Key'),
          found: { const: false },
          lease: schemaRef('Lease'),
          retry_after_ms: {
            type: 'integer',
            minimum: 1,
            description: 'Another caller has the lease. Milliseconds to wait before the next request.',
          },
        },
        {
          optional: ['lease', 'retry_after_ms'],
          description: 'No value, with either `lease` or `retry_after_ms`, or neither.',
        },
      ),
      LeasedEntry: { oneOf: ['FreshEntry', 'StaleEntry', 'LeaseMiss'].map(schemaRef) },
    },
    requestBody: 'LeaseRequest',
    successes: [
      {
        status: 200,
        description: 'A value, a lease, both, or the time to wait before the next request.',
        data: 'LeasedEntry',
      },
    ],
    tooLarge: largeBody(MAX_REST_BYTES),
    examples: [
      {
        name: 'granted',
        summary: 'No value: the caller gets the lease',
        body: { key },
        response: ok({ key, found: false, lease: granted }),
      },
      {
        name: 'tags',
        summary: 'No value, and a lease that ends if one of the tags is invalidated',
        body: { key, tags: ['doc:1', 'doc:2'] },
        response: ok({ key, found: false, lease: granted }),
      },
      {
        name: 'held',
        summary: 'No value, and another caller has the lease',
        leased: [key],
        body: { key },
        response: ok({ key, found: false, retry_after_ms: 100 }),
      },
      {
        name: 'fresh',
        summary: 'A fresh value, which needs no lease',
        given: [{ key, value: PROFILE, ttl }],
        body: { key, lease: 60 },
        response: ok({ key, value: PROFILE, found: true, ttl, stale: false }),
      },
      {
        name: 'stale',
        summary: 'A stale value: the caller gets it, and the lease to replace it',
        given: [{ key, value: PROFILE, ttl: 1, grace: Math.min(600, maxTtlSeconds - 1) }],
        expired: true,
        body: { key },
        response: ok({ key, value: PROFILE, found: true, ttl: 0, stale: true, lease: granted }),
      },
      {
        name: 'too-long',
        summary: 'A lease that is too long',
        body: invalid,
        response: rejected(leaseSchema, invalid, 'body'),
      },
    ],
  };
}
