import { MISSPELLING_RULE } from '../../http/misspelling.ts';
import { invalidateSchema, MAX_KEY_BYTES, MAX_REST_BYTES } from '../../http/schemas.ts';
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
import { convert, count, object, withMembers } from '../json-schema.ts';

export function invalidate(): EndpointDocumentation {
  const given = [
    { key: 'doc:1', value: EMBEDDING },
    { key: 'user:123', value: PROFILE },
  ];
  const misspelled = { patern: 'doc:*' };
  return {
    operationIds: ['invalidateEntries'],
    tag: 'Entries',
    summary: 'Invalidate by a pattern',
    description:
      'Removes every entry of the tenant whose whole key matches. The cost grows with the number of keys that begin with the text before the first `*`, `?` or `[`. A pattern that begins with one of these scans all keys of the tenant.',
    schemas: {
      InvalidateRequest: {
        ...withMembers(convert(invalidateSchema), {
          pattern: {
            description: `A glob for whole keys, at most ${MAX_KEY_BYTES} bytes: \`*\`, \`?\`, \`[abc]\`, \`[a-z]\`, \`[^a]\`, and \`\\\` before a character that stands for itself. If it is absent or null, every entry is removed. It is required if the body has unknown members.`,
          },
          tenant_id: { description: "Optional. If it is present, it must be the caller's own tenant." },
        }),
        description: `${MISSPELLING_RULE} Without a pattern, every unknown member is rejected.`,
      },
      Invalidated: object({
        pattern: { type: 'string', description: "The request's pattern; `*` if it had none." },
        status: { const: 'invalidated' },
        count: count('Live entries that were removed.'),
      }),
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
        name: 'all',
        summary: 'All entries',
        given,
        body: {},
        response: ok({ pattern: '*', status: 'invalidated', count: 2 }),
      },
      {
        name: 'empty-pattern',
        summary: 'An empty pattern',
        body: { pattern: '' },
        response: rejected(invalidateSchema, { pattern: '' }, 'body'),
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
