import { DEFAULT_LEASE_SECONDS, leaseSchema, MAX_LEASE_SECONDS, MAX_REST_BYTES } from '../../http/schemas.ts';
import { type EndpointDocumentation, LEASE, largeBody, ok, PROFILE, rejected } from '../endpoint.ts';
import { convert, object, schemaRef, withMembers } from '../json-schema.ts';

export function lease(): EndpointDocumentation {
  const key = 'user:123';
  const invalid = { key, lease: MAX_LEASE_SECONDS + 1 };
  return {
    operationIds: ['leaseEntry'],
    tag: 'Entries',
    summary: 'Get a value, or the lease to produce it',
    description:
      'A get for callers that produce missing values. If there is no fresh value, one caller gets a lease: it shall produce the value and set it with the token. The other callers get the stale value if the entry has a grace, and otherwise the time after which they shall ask again. A lease ends when its time is over or its key is set, deleted, invalidated or cleared: a value that was produced before an invalidation cannot be set after it. If the response has neither a value nor a lease nor `retry_after_ms`, the backend cannot store leases now.',
    schemas: {
      LeaseRequest: withMembers(convert(leaseSchema), {
        lease: {
          description: `Whole seconds that the caller may take to produce the value: ${DEFAULT_LEASE_SECONDS} where it is absent or null.`,
        },
      }),
      Lease: object({
        token: schemaRef('LeaseToken'),
        ttl: { ...schemaRef('Ttl'), description: 'When the lease ends, in whole seconds.' },
      }),
      LeasedEntry: {
        oneOf: [
          object(
            {
              key: schemaRef('Key'),
              value: schemaRef('Value'),
              found: { const: true },
              ttl: {
                type: 'integer',
                minimum: 0,
                description: 'Remaining whole seconds; 0 for a stale value.',
              },
              stale: { type: 'boolean', description: 'True if the TTL is over and the grace is not.' },
              lease: schemaRef('Lease'),
            },
            { optional: ['lease'] },
          ),
          object(
            {
              key: schemaRef('Key'),
              found: { const: false },
              lease: schemaRef('Lease'),
              retry_after_ms: {
                type: 'integer',
                minimum: 1,
                description: 'When to ask again, in milliseconds. Another caller has the lease.',
              },
            },
            { optional: ['lease', 'retry_after_ms'] },
          ),
        ],
      },
    },
    requestBody: 'LeaseRequest',
    successes: [
      { status: 200, description: 'A value, a lease, both, or the time to ask again.', data: 'LeasedEntry' },
    ],
    tooLarge: largeBody(MAX_REST_BYTES),
    examples: [
      {
        name: 'granted',
        summary: 'No value: the caller gets the lease',
        body: { key },
        response: ok({ key, found: false, lease: { token: LEASE, ttl: DEFAULT_LEASE_SECONDS } }),
      },
      {
        name: 'fresh',
        summary: 'A fresh value, which needs no lease',
        given: [{ key, value: PROFILE, ttl: 60, grace: 600 }],
        body: { key, lease: 60 },
        response: ok({ key, value: PROFILE, found: true, ttl: 60, stale: false }),
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
