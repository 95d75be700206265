import { MAX_REST_BYTES, releaseSchema } from '../../http/schemas.ts';
import { type EndpointDocumentation, LEASE, largeBody, noContent, rejected } from '../endpoint.ts';
import { convert, withMembers } from '../json-schema.ts';

export function leaseRelease(): EndpointDocumentation {
  const key = 'user:123';
  const invalid = { key, lease: '' };
  return {
    operationIds: ['releaseLease'],
    tag: 'Entries',
    summary: 'Release a lease',
    description:
      'For a caller whose producer failed: the next caller gets the lease at once. A stale value remains. The response is the same if the lease has already ended.',
    schemas: {
      ReleaseRequest: withMembers(convert(releaseSchema), {
        lease: { description: 'The token of the lease.' },
      }),
    },
    requestBody: 'ReleaseRequest',
    successes: [{ status: 204, description: 'The lease has ended.' }],
    tooLarge: largeBody(MAX_REST_BYTES),
    examples: [
      {
        name: 'released',
        summary: 'A lease that has ended already',
        body: { key, lease: LEASE },
        response: noContent,
      },
      {
        name: 'empty-token',
        summary: 'An empty token',
        body: invalid,
        response: rejected(releaseSchema, invalid, 'body'),
      },
    ],
  };
}
