import { PayloadTooLargeError } from '../../errors.ts';
import { batchGetSchema, MAX_BATCH, maxBatchBytesOf } from '../../http/schemas.ts';
import type { Limits } from '../components.ts';
import { EMBEDDING, type EndpointDocumentation, LEASE, ok, PROFILE, rejected } from '../endpoint.ts';
import { convert, object, type Schema, schemaRef, withMembers } from '../json-schema.ts';
import { LEASE_TAGS } from './lease.ts';

export function batchGet(limits: Limits): EndpointDocumentation {
  const ttl = limits.defaultTtlSeconds;
  const invalid = { keys: ['doc:1', 2] };
  return {
    operationIds: ['getBatch'],
    tag: 'Batches',
    summary: 'Get several values',
    description: `1 to ${MAX_BATCH} keys. With \`lease\`, each result is that of a lease request; without it, stale values are misses. The values that are found may have ${maxBatchBytesOf(limits)} bytes together. If they have more, \`details.fitting\` of the 413 is the number of keys to send in a smaller batch, and no lease was granted.`,
    schemas: {
      BatchGetRequest: withMembers(convert(batchGetSchema), {
        keys: { description: 'A repeated key gets a result for each time.' },
        lease: {
          description:
            'Whole seconds that the caller may take to produce the missing values. Absent or null: no leases are requested.',
        },
        tags: {
          description: `${LEASE_TAGS} They apply to the lease on each key; without \`lease\` they have no effect.`,
        },
      }),
      Entries: resultsOf(
        // Not `oneOf`: a miss can be either.
        { anyOf: [schemaRef('Entry'), schemaRef('LeasedEntry')] },
        'One result for each key, in the order of the request. `LeasedEntry` if the request has `lease`.',
      ),
    },
    requestBody: 'BatchGetRequest',
    successes: [
      {
        status: 200,
        description: 'The result of a get or of a lease request for each key.',
        data: 'Entries',
      },
    ],
    tooLarge: largeBatch(limits),
    examples: [
      {
        name: 'three',
        summary: 'Two hits and a miss',
        given: [
          { key: 'doc:1', value: EMBEDDING },
          { key: 'doc:2', value: PROFILE },
        ],
        body: { keys: ['doc:1', 'doc:3', 'doc:2'] },
        response: ok({
          items: [
            { key: 'doc:1', value: EMBEDDING, found: true, ttl },
            { key: 'doc:3', found: false },
            { key: 'doc:2', value: PROFILE, found: true, ttl },
          ],
        }),
      },
      {
        name: 'leases',
        summary: 'A hit, and a lease on a missing key',
        given: [{ key: 'doc:1', value: EMBEDDING }],
        body: { keys: ['doc:1', 'doc:2'], lease: 60, tags: ['collection:7'] },
        response: ok({
          items: [
            { key: 'doc:1', value: EMBEDDING, found: true, ttl, stale: false },
            { key: 'doc:2', found: false, lease: { token: LEASE, ttl: 60 } },
          ],
        }),
      },
      {
        name: 'bad-key',
        summary: 'A key that is not a string',
        body: invalid,
        response: rejected(batchGetSchema, invalid, 'body'),
      },
    ],
  };
}

/** The data of a batch: a list of results with this schema. */
export function resultsOf(schema: Schema, description: string): Schema {
  return object({
    items: { type: 'array', minItems: 1, maxItems: MAX_BATCH, items: schema, description },
  });
}

/** The documentation of a batch whose values are too large together. In the example, only the first value fits. */
export function largeBatch(limits: Limits): EndpointDocumentation['tooLarge'] {
  return {
    'large-batch': {
      summary: 'Two values that are too large together',
      error: new PayloadTooLargeError('batch', maxBatchBytesOf(limits), { fitting: 1 }),
    },
  };
}
