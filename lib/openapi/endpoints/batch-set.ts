import { batchSetSchema, MAX_BATCH, MAX_BATCH_REST_BYTES, maxBatchBytesOf } from '../../http/schemas.ts';
import type { Limits } from '../components.ts';
import { created, EMBEDDING, type EndpointDocumentation, LEASE, PROFILE, rejected } from '../endpoint.ts';
import { convert, object, type Schema, schemaRef, withMembers } from '../json-schema.ts';
import { largeBatch, resultsOf } from './batch-get.ts';
import { itemMembers } from './set.ts';

export function batchSet(limits: Limits): EndpointDocumentation {
  const { defaultTtlSeconds, maxTtlSeconds, maxValueBytes } = limits;
  const minute = Math.min(60, maxTtlSeconds);
  const items = [
    { key: 'doc:1', value: EMBEDDING },
    { key: 'doc:2', value: PROFILE, ttl: minute, tags: ['user:123'] },
  ];
  const invalidItems = [...items, { key: 'doc:3', value: EMBEDDING, ttl: -1 }];
  return {
    operationIds: ['setBatch'],
    tag: 'Batches',
    summary: 'Set several values',
    description: `1 to ${MAX_BATCH} items, each like the body of a set. All items are checked before one is written. Each value may have ${maxValueBytes} bytes, all of them together ${maxBatchBytesOf(limits)}, and the rest of the body ${MAX_BATCH_REST_BYTES}. After a 503 some items may be written.`,
    schemas: {
      BatchSetRequest: batchSetRequest(limits),
      LostLease: object(
        { key: schemaRef('Key'), status: { const: 'lease_lost' } },
        { description: 'The lease of the item has ended, so it was not written.' },
      ),
      BatchSetResult: {
        oneOf: [schemaRef('SetResult'), schemaRef('LostLease')],
      },
      SetResults: resultsOf(
        schemaRef('BatchSetResult'),
        'One result for each item, in the order of the request.',
      ),
    },
    requestBody: 'BatchSetRequest',
    successes: [
      {
        status: 201,
        description: 'All entries are set, except those whose leases have ended.',
        data: 'SetResults',
      },
    ],
    tooLarge: largeBatch(limits),
    examples: [
      {
        name: 'two',
        summary: 'Two entries',
        body: { items },
        response: created({
          items: [
            { key: 'doc:1', status: 'set', ttl: defaultTtlSeconds },
            { key: 'doc:2', status: 'set', ttl: minute },
          ],
        }),
      },
      {
        name: 'lost-lease',
        summary: 'An entry, and one whose lease has ended',
        body: { items: [items[0], { key: 'doc:3', value: PROFILE, lease: LEASE }] },
        response: created({
          items: [
            { key: 'doc:1', status: 'set', ttl: defaultTtlSeconds },
            { key: 'doc:3', status: 'lease_lost' },
          ],
        }),
      },
      {
        name: 'bad-ttl',
        summary: 'A negative TTL, so that no item is written',
        body: { items: invalidItems },
        // The service checks the skeleton of an item, in which a number stands for the value.
        response: rejected(
          batchSetSchema(limits),
          { items: invalidItems.map((item) => ({ ...item, value: 0 })) },
          'body',
        ),
      },
    ],
  };
}

function batchSetRequest(limits: Limits): Schema {
  const schema = convert(batchSetSchema(limits)) as { properties: { items: { items: Schema } } };
  const { items } = schema.properties;
  return withMembers(schema, {
    items: {
      items: withMembers(items.items, itemMembers(limits)),
      description: 'If two items have the same key, the last one applies.',
    },
  });
}
