import { keySchema } from '../../http/schemas.ts';
import type { Limits } from '../components.ts';
import { EMBEDDING, type EndpointDocumentation, ok, PATHLESS_KEY, PROFILE, rejected } from '../endpoint.ts';
import { object, schemaRef } from '../json-schema.ts';

export function get({ defaultTtlSeconds, maxTtlSeconds }: Limits): EndpointDocumentation {
  const key = 'user:123';
  const ttl = Math.min(3600, maxTtlSeconds);
  const hit = {
    name: 'hit',
    summary: 'A hit',
    given: [{ key, value: PROFILE, ttl }],
    parameters: { key },
    response: ok({ key, value: PROFILE, found: true, ttl }),
  };
  return {
    operationIds: ['getEntry', 'getEntryByQuery'],
    tag: 'Entries',
    summary: 'Get a value',
    description: 'A miss is a response like a hit, with the status 200.',
    schemas: {
      Hit: object({
        key: schemaRef('Key'),
        value: schemaRef('Value'),
        found: { const: true },
        ttl: schemaRef('Ttl'),
      }),
      Miss: object({ key: schemaRef('Key'), found: { const: false } }),
      Entry: { oneOf: [schemaRef('Hit'), schemaRef('Miss')] },
    },
    successes: [{ status: 200, description: 'A hit or a miss.', data: 'Entry' }],
    examples: [
      hit,
      {
        name: 'miss',
        summary: 'A miss',
        parameters: { key: 'user:124' },
        response: ok({ key: 'user:124', found: false }),
      },
      { ...hit, byQuery: true },
      {
        name: 'pathless-hit',
        summary: 'A hit for a key that a path cannot carry',
        given: [{ key: PATHLESS_KEY, value: EMBEDDING }],
        byQuery: true,
        parameters: { key: PATHLESS_KEY },
        response: ok({ key: PATHLESS_KEY, value: EMBEDDING, found: true, ttl: defaultTtlSeconds }),
      },
      {
        name: 'empty-key',
        summary: 'An empty key',
        byQuery: true,
        parameters: { key: '' },
        response: rejected(keySchema, '', 'key'),
      },
    ],
  };
}
