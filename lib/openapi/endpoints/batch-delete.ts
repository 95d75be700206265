import { batchKeysSchema, MAX_BATCH, MAX_BATCH_REST_BYTES } from '../../http/schemas.ts';
import { EMBEDDING, type EndpointDocumentation, largeBody, ok, rejected } from '../endpoint.ts';
import { convert, count, object } from '../json-schema.ts';

export function batchDelete(): EndpointDocumentation {
  const invalid = { keys: ['doc:1', 2] };
  return {
    operationIds: ['deleteBatch'],
    tag: 'Batches',
    summary: 'Delete several entries',
    description: `1 to ${MAX_BATCH} keys. After a 503 some entries may be deleted.`,
    schemas: {
      BatchKeysRequest: convert(batchKeysSchema),
      Deleted: object({ count: count('Live entries that were deleted.') }),
    },
    requestBody: 'BatchKeysRequest',
    successes: [{ status: 200, description: 'None of the entries exists any more.', data: 'Deleted' }],
    tooLarge: largeBody(MAX_BATCH_REST_BYTES),
    examples: [
      {
        name: 'two',
        summary: 'Two keys, and an entry for one of them',
        given: [{ key: 'doc:1', value: EMBEDDING }],
        body: { keys: ['doc:1', 'doc:3'] },
        response: ok({ count: 1 }),
      },
      {
        name: 'bad-key',
        summary: 'A key that is not a string',
        body: invalid,
        response: rejected(batchKeysSchema, invalid, 'body'),
      },
    ],
  };
}
