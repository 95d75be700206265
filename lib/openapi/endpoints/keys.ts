import { encodeCursor } from '../../http/cursor.ts';
import { DEFAULT_LISTED_KEYS, listKeysSchema, MAX_KEY_BYTES, MAX_LISTED_KEYS } from '../../http/schemas.ts';
import { type Limits, SAMPLE_TENANT } from '../components.ts';
import { type EndpointDocumentation, forbidden, OTHER_TENANT, ok, PROFILE, rejected } from '../endpoint.ts';
import { object, schemaRef } from '../json-schema.ts';

export function keys({ defaultTtlSeconds }: Limits): EndpointDocumentation {
  const walked = { pattern: 'answer:*', tag: 'doc:1' };
  return {
    operationIds: ['listKeys'],
    tag: 'Tenant',
    summary: 'List the keys of the tenant',
    description:
      "Live keys, and stale ones in their grace, in the order of their bytes. A key that exists throughout a walk over all pages is listed exactly once. The cost is that of the page, or of the keys that begin with the pattern's text before the first `*`, `?` or `[`. A page can have fewer keys than the limit, or none, although there are more: `cursor` is null on the last page.",
    schemas: {
      Keys: object({
        keys: {
          type: 'array',
          maxItems: MAX_LISTED_KEYS,
          items: object({
            key: schemaRef('Key'),
            ttl: {
              type: 'integer',
              minimum: 0,
              description: 'Remaining whole seconds; 0 for a stale value.',
            },
            stale: { type: 'boolean', description: 'True if the TTL is over and the grace is not.' },
            tags: { type: 'array', items: schemaRef('Tag') },
          }),
        },
        cursor: {
          type: ['string', 'null'],
          description:
            'Send it with the same pattern and tag to get the next page. Null: there are no more keys.',
        },
      }),
    },
    successes: [{ status: 200, description: 'A page of keys.', data: 'Keys' }],
    failures: ['TenantMismatchError'],
    queryParameters: {
      pattern: {
        schema: { type: 'string', minLength: 1, maxLength: MAX_KEY_BYTES },
        description: 'A glob for whole keys, as for an invalidation. Default: `*`.',
      },
      tag: { schema: schemaRef('Tag'), description: 'Only keys whose entries have this tag.' },
      limit: {
        schema: { type: 'integer', minimum: 1, maximum: MAX_LISTED_KEYS },
        description: `Largest number of keys in the page. Default: ${DEFAULT_LISTED_KEYS}.`,
      },
      cursor: { schema: { type: 'string' }, description: 'The `cursor` of the page before.' },
    },
    examples: [
      {
        name: 'all',
        summary: 'A tenant with two entries',
        given: [
          { key: 'answer:1', value: PROFILE, tags: ['doc:1', 'doc:2'] },
          { key: 'user:123', value: PROFILE },
        ],
        parameters: { tenant_id: SAMPLE_TENANT },
        response: ok({
          keys: [
            { key: 'answer:1', ttl: defaultTtlSeconds, stale: false, tags: ['doc:1', 'doc:2'] },
            { key: 'user:123', ttl: defaultTtlSeconds, stale: false, tags: [] },
          ],
          cursor: null,
        }),
      },
      {
        name: 'page',
        summary: 'The first page of the keys that match a pattern and have a tag',
        given: ['answer:1', 'answer:2', 'user:123'].map((key) => ({ key, value: PROFILE, tags: ['doc:1'] })),
        parameters: { tenant_id: SAMPLE_TENANT, ...walked, limit: '1' },
        response: ok({
          keys: [{ key: 'answer:1', ttl: defaultTtlSeconds, stale: false, tags: ['doc:1'] }],
          cursor: encodeCursor('answer:1', { tenant: SAMPLE_TENANT, ...walked }),
        }),
      },
      {
        name: 'bad-limit',
        summary: 'A limit above the maximum',
        parameters: { tenant_id: SAMPLE_TENANT, limit: String(MAX_LISTED_KEYS + 1) },
        response: rejected(listKeysSchema, { limit: String(MAX_LISTED_KEYS + 1) }, 'query'),
      },
      { name: 'other-tenant', summary: 'Another tenant', parameters: OTHER_TENANT, response: forbidden },
    ],
  };
}
