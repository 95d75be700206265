import { MAX_REST_BYTES, touchSchema } from '../../http/schemas.ts';
import type { Limits } from '../components.ts';
import { type EndpointDocumentation, largeBody, ok, PROFILE, rejected } from '../endpoint.ts';
import { convert, object, schemaRef, withMembers } from '../json-schema.ts';

export function touch(limits: Limits): EndpointDocumentation {
  const key = 'user:123';
  const ttl = Math.min(3600, limits.maxTtlSeconds);
  const invalid = { key };
  return {
    operationIds: ['touchEntry'],
    tag: 'Entries',
    summary: 'Change the TTL of an entry',
    description:
      'The entry lives for `ttl` seconds from now, longer or shorter than before. Its value is neither sent nor changed. A miss is a response like a hit, with the status 200.',
    schemas: {
      TouchRequest: withMembers(convert(touchSchema(limits)), {
        ttl: { description: 'The new time to live in whole seconds.' },
      }),
      Touched: {
        oneOf: [
          object({ key: schemaRef('Key'), found: { const: true }, ttl: schemaRef('Ttl') }),
          schemaRef('Miss'),
        ],
      },
    },
    requestBody: 'TouchRequest',
    successes: [
      { status: 200, description: 'The TTL is changed, or there is no live entry.', data: 'Touched' },
    ],
    tooLarge: largeBody(MAX_REST_BYTES),
    examples: [
      {
        name: 'hit',
        summary: 'An entry that lives for an hour from now',
        given: [{ key, value: PROFILE }],
        body: { key, ttl },
        response: ok({ key, found: true, ttl }),
      },
      {
        name: 'miss',
        summary: 'No live entry',
        body: { key: 'user:124', ttl },
        response: ok({ key: 'user:124', found: false }),
      },
      {
        name: 'no-ttl',
        summary: 'A missing TTL',
        body: invalid,
        response: rejected(touchSchema(limits), invalid, 'body'),
      },
    ],
  };
}
