import { keySchema, setSchema } from '../../http/schemas.ts';
import type { Limits } from '../limits.ts';
import { created, EMBEDDING, type Exchange, gone, ok, PROFILE, refused } from './exchange.ts';

const KEY = 'user:123';
const PATHLESS_KEY = 'docs/readme?page=1';

/** Two entries come and go. */
export function entryExchanges(limits: Limits): Exchange[] {
  const { defaultTtlSeconds, maxTtlSeconds } = limits;
  const ttl = Math.min(3600, maxTtlSeconds);
  const invalid = { key: '', value: 1, ttl: 0 };
  return [
    {
      name: 'with-ttl',
      summary: `An object, for ${ttl} seconds`,
      operation: 'set',
      body: { key: KEY, value: PROFILE, ttl },
      answer: created({ key: KEY, status: 'set', ttl }),
    },
    {
      name: 'without-ttl',
      summary: 'A key that a path cannot carry, for the default time',
      operation: 'set',
      body: { key: PATHLESS_KEY, value: EMBEDDING },
      answer: created({ key: PATHLESS_KEY, status: 'set', ttl: defaultTtlSeconds }),
    },
    {
      name: 'empty-key',
      summary: 'An empty key, and a TTL of no time',
      operation: 'set',
      body: invalid,
      answer: refused(setSchema(limits), invalid, 'body'),
    },
    {
      name: 'hit',
      summary: 'A hit',
      operation: 'get',
      parameters: { key: KEY },
      answer: ok({ key: KEY, value: PROFILE, found: true, ttl }),
    },
    {
      name: 'miss',
      summary: 'A miss',
      operation: 'get',
      parameters: { key: 'user:124' },
      answer: ok({ key: 'user:124', found: false }),
    },
    {
      name: 'hit',
      summary: 'A hit',
      operation: 'get',
      byQuery: true,
      parameters: { key: KEY },
      answer: ok({ key: KEY, value: PROFILE, found: true, ttl }),
    },
    {
      name: 'pathless-hit',
      summary: 'A hit, for a key that a path cannot carry',
      operation: 'get',
      byQuery: true,
      parameters: { key: PATHLESS_KEY },
      answer: ok({ key: PATHLESS_KEY, value: EMBEDDING, found: true, ttl: defaultTtlSeconds }),
    },
    {
      name: 'empty-key',
      summary: 'An empty key',
      operation: 'get',
      byQuery: true,
      parameters: { key: '' },
      answer: refused(keySchema, '', 'key'),
    },
    {
      name: 'entry',
      summary: 'An entry',
      operation: 'delete',
      parameters: { key: KEY },
      answer: gone,
    },
    {
      name: 'entry',
      summary: 'An entry whose key a path cannot carry',
      operation: 'delete',
      byQuery: true,
      parameters: { key: PATHLESS_KEY },
      answer: gone,
    },
    {
      name: 'empty-key',
      summary: 'An empty key',
      operation: 'delete',
      byQuery: true,
      parameters: { key: '' },
      answer: refused(keySchema, '', 'key'),
    },
  ];
}
