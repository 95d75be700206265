import { MISSPELLING_RULE } from '../../http/misspelling.ts';
import { invalidateSchema, MAX_KEY_BYTES, MAX_REST_BYTES, MAX_TAGS } from '../../http/schemas.ts';
import {
  EMBEDDING,
  type EndpointDocumentation,
  forbidden,
  largeBody,
  OTHER_TENANT,
  ok,
  PROFILE,
  rejected,
} from '../endpoint.ts';
import { convert, count, object, schemaRef, withMembers } from '../json-schema.ts';

export function invalidate(): EndpointDocumentation {
  const result = {
    status: { const: 'invalidated' },
    count: count('Live entries that were removed. An entry with several of the tags counts once.'),
  };
  const given = [
    { key: 'doc:1', value: EMBEDDING },
    { key: 'user:123', value: PROFILE, tags: ['user:123'] },
    { key: 'answer:1', value: EMBEDDING, tags: ['user:123', 'doc:1'] },
  ];
  const misspelled = { patern: 'doc:*' };
  const both = { pattern: 'doc:*', tags: ['doc:1'] };
  return {
    operationIds: ['invalidateEntries'],
    tag: 'Entries',
    summary: 'Invalidate by a pattern or by tags',
    description:
      'With `pattern`, removes every entry of the tenant whose whole key matches. The cost grows with the number of keys that begin with the text before the first `*`, `?` or `[`. A pattern that begins with one of these scans all keys of the tenant. With `tags`, removes every entry of the tenant that has at least one of them. The cost grows with the number of entries that have them.',
    schemas: {
      InvalidateRequest: {
        ...withMembers(convert(invalidateSchema), {
          pattern: {
            description: `A glob for whole keys, at most ${MAX_KEY_BYTES} bytes: \`*\`, \`?\`, \`[abc]\`, \`[a-z]\`, \`[^a]\`, and \`\\\` before a character that stands for itself. If it is absent or null and there are no tags, every entry is removed. Without tags, it is required if the body has unknown members.`,
          },
          tags: {
            description: `1 to ${MAX_TAGS} tags, instead of a pattern. Every character stands for itself, also \`*\`. An empty list and null are rejected, because the request would otherwise remove every entry.`,
          },
          tenant_id: { description: "Optional. If it is present, it must be the caller's own tenant." },
        }),
        description: `${MISSPELLING_RULE} Without a pattern and tags, every unknown member is rejected.`,
      },
      InvalidatedByPattern: object({
        pattern: { type: 'string', description: "The request's pattern; `*` if it had none." },
        ...result,
      }),
      InvalidatedByTags: object({
        tags: {
          type: 'array',
          minItems: 1,
          maxItems: MAX_TAGS,
          items: schemaRef('Tag'),
          description: "The request's tags without repetitions.",
        },
        ...result,
      }),
      Invalidated: { oneOf: ['InvalidatedByPattern', 'InvalidatedByTags'].map(schemaRef) },
    },
    requestBody: 'InvalidateRequest',
    successes: [{ status: 200, description: 'The matching entries are removed.', data: 'Invalidated' }],
    failures: ['TenantMismatchError', 'InvalidationIncompleteError'],
    tooLarge: largeBody(MAX_REST_BYTES),
    examples: [
      {
        name: 'pattern',
        summary: 'All entries whose keys begin with doc:',
        given,
        body: { pattern: 'doc:*' },
        response: ok({ pattern: 'doc:*', status: 'invalidated', count: 1 }),
      },
      {
        name: 'tags',
        summary: 'All entries with the tag doc:1 or user:123',
        given,
        body: { tags: ['doc:1', 'user:123'] },
        response: ok({ tags: ['doc:1', 'user:123'], status: 'invalidated', count: 2 }),
      },
      {
        name: 'all',
        summary: 'All entries',
        given,
        body: {},
        response: ok({ pattern: '*', status: 'invalidated', count: 3 }),
      },
      {
        name: 'empty-pattern',
        summary: 'An empty pattern',
        body: { pattern: '' },
        response: rejected(invalidateSchema, { pattern: '' }, 'body'),
      },
      {
        name: 'no-tags',
        summary: 'An empty list of tags, which does not invalidate everything',
        body: { tags: [] },
        response: rejected(invalidateSchema, { tags: [] }, 'body'),
      },
      {
        name: 'pattern-and-tags',
        summary: 'A pattern together with tags',
        body: both,
        response: rejected(invalidateSchema, both, 'body'),
      },
      {
        name: 'misspelled-pattern',
        summary: 'A misspelled member, which does not invalidate everything',
        body: misspelled,
        response: rejected(invalidateSchema, misspelled, 'body'),
      },
      { name: 'other-tenant', summary: 'Another tenant', body: OTHER_TENANT, response: forbidden },
    ],
  };
}
