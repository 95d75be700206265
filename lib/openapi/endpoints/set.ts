import { LeaseLostError, PayloadTooLargeError } from '../../errors.ts';
import { leaseTokenSchema, MAX_REST_BYTES, MAX_TAGS, setSchema } from '../../http/schemas.ts';
import type { Limits } from '../components.ts';
import {
  created,
  EMBEDDING,
  type EndpointDocumentation,
  LEASE,
  PATHLESS_KEY,
  PROFILE,
  rejected,
} from '../endpoint.ts';
import { failureExample } from '../failures.ts';
import { convert, object, type Schema, schemaRef, withMembers } from '../json-schema.ts';

export function set(limits: Limits): EndpointDocumentation {
  const { defaultTtlSeconds, maxTtlSeconds, maxValueBytes } = limits;
  const key = 'user:123';
  const ttl = Math.min(3600, maxTtlSeconds);
  const invalid = { key: '', value: 1, ttl: 0 };
  return {
    operationIds: ['setEntry'],
    tag: 'Entries',
    summary: 'Set a value',
    description: `Replaces an existing entry. With \`lease\`, the value is set only if this lease on the key has not ended. Such a request can be sent again after any failure without a wait: it never applies after a later invalidation. The value may have ${maxValueBytes} bytes of JSON, and the rest of the body ${MAX_REST_BYTES}.`,
    schemas: {
      SetRequest: withMembers(convert(setSchema(limits)), itemMembers(limits)),
      LeaseToken: { ...convert(leaseTokenSchema), description: 'Identifies a lease.' },
      SetResult: object({ key: schemaRef('Key'), status: { const: 'set' }, ttl: schemaRef('Ttl') }),
    },
    requestBody: 'SetRequest',
    successes: [{ status: 201, description: 'The entry is set.', data: 'SetResult' }],
    failures: ['LeaseLostError'],
    tooLarge: {
      'large-value': {
        summary: 'A value that is too large',
        error: new PayloadTooLargeError('value', maxValueBytes),
      },
    },
    examples: [
      {
        name: 'with-ttl',
        summary: `An object, for ${ttl} seconds`,
        body: { key, value: PROFILE, ttl },
        response: created({ key, status: 'set', ttl }),
      },
      {
        name: 'without-ttl',
        summary: 'A key that a path cannot carry, with the default TTL',
        body: { key: PATHLESS_KEY, value: EMBEDDING },
        response: created({ key: PATHLESS_KEY, status: 'set', ttl: defaultTtlSeconds }),
      },
      {
        name: 'tags',
        summary: 'An answer with the documents that it was made from as its tags',
        body: { key: 'answer:1', value: PROFILE, tags: ['doc:1', 'doc:2'] },
        response: created({ key: 'answer:1', status: 'set', ttl: defaultTtlSeconds }),
      },
      {
        name: 'lost-lease',
        summary: 'A lease that has ended',
        body: { key, value: PROFILE, lease: LEASE },
        response: { status: 409, body: failureExample(new LeaseLostError()) },
      },
      {
        name: 'empty-key',
        summary: 'An empty key and a TTL of zero',
        body: invalid,
        response: rejected(setSchema(limits), invalid, 'body'),
      },
    ],
  };
}

/** The documentation of the members of a set's body, and of an item of a batch. */
export function itemMembers({ defaultTtlSeconds, maxTtlSeconds }: Limits): Record<string, Schema> {
  return {
    value: schemaRef('Value'),
    // Not the schema's `default`: generators of types make a member with a default a required one.
    ttl: { description: `Time to live in whole seconds: ${defaultTtlSeconds} where it is absent or null.` },
    grace: {
      description: `Whole seconds after the TTL in which lease requests still get the value, as stale. Together with the TTL at most ${maxTtlSeconds}.`,
    },
    lease: { description: 'The token of a lease on the key.' },
    tags: {
      description: `What the value was made from: at most ${MAX_TAGS} tags. An invalidation of any of them removes the entry.`,
    },
  };
}
