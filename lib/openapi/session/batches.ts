import { batchKeysSchema, batchSetSchema } from '../../http/schemas.ts';
import type { Limits } from '../limits.ts';
import { created, EMBEDDING, type Exchange, ok, PROFILE, refused } from './exchange.ts';

/** Of two entries one stays, `doc:2`. */
export function batchExchanges(limits: Limits): Exchange[] {
  const { defaultTtlSeconds: ttl, maxTtlSeconds } = limits;
  const minute = Math.min(60, maxTtlSeconds);
  const [first, second, other] = ['doc:1', 'doc:2', 'doc:3'];
  const items = [
    { key: first, value: EMBEDDING },
    { key: second, value: PROFILE, ttl: minute },
  ];
  const invalidItems = [...items, { key: other, value: EMBEDDING, ttl: -1 }];
  const invalidKeys = { keys: [first, 2] };
  return [
    {
      name: 'two',
      summary: 'Two entries',
      operation: 'batch-set',
      body: { items },
      answer: created({
        items: [
          { key: first, status: 'set', ttl },
          { key: second, status: 'set', ttl: minute },
        ],
      }),
    },
    {
      name: 'bad-ttl',
      summary: 'A TTL below zero, so that none is written',
      operation: 'batch-set',
      body: { items: invalidItems },
      answer: refused(batchSetSchema(limits), { items: invalidItems.map(withoutValue) }, 'body'),
    },
    {
      name: 'three',
      summary: 'Two hits and a miss',
      operation: 'batch-get',
      body: { keys: [first, other, second] },
      answer: ok({
        items: [
          { key: first, value: EMBEDDING, found: true, ttl },
          { key: other, found: false },
          { key: second, value: PROFILE, found: true, ttl: minute },
        ],
      }),
    },
    {
      name: 'bad-key',
      summary: 'A key that is no string',
      operation: 'batch-get',
      body: invalidKeys,
      answer: refused(batchKeysSchema, invalidKeys, 'body'),
    },
    {
      name: 'two',
      summary: 'Two keys, of which one has no entry',
      operation: 'batch-delete',
      body: { keys: [first, other] },
      answer: ok({ count: 1 }),
    },
    {
      name: 'bad-key',
      summary: 'A key that is no string',
      operation: 'batch-delete',
      body: invalidKeys,
      answer: refused(batchKeysSchema, invalidKeys, 'body'),
    },
  ];
}

/** What the service checks of an item: in place of a value the number of its text. */
const withoutValue = (item: object) => ({ ...item, value: 0 });
