import { describe, expect, test } from 'vitest';
import { cacheMiddleware } from '../../lib/client/adapters/ai.ts';
import { keyvStore } from '../../lib/client/adapters/keyv.ts';
import { LangChainCache } from '../../lib/client/adapters/langchain.ts';
import { cacheServiceDriver } from '../../lib/client/adapters/unstorage.ts';
import { unreachableCache } from './caches.ts';

/** How a caller without a type checker creates each adapter. */
const ADAPTERS: Record<string, (cache?: unknown, options?: object) => unknown> = {
  keyvStore: (cache, options) => keyvStore(cache as never, options),
  cacheServiceDriver: (cache, options) => cacheServiceDriver({ cache, ...options } as never),
  LangChainCache: (cache, options) => new LangChainCache(cache as never, options),
  cacheMiddleware: (cache, options) => cacheMiddleware(cache as never, { ttl: 60, ...options }),
};

describe.each(Object.entries(ADAPTERS))('%s', (_, create) => {
  test.each([undefined, null, {}, 'http://localhost:8080'])('rejects %j as the client', (cache) => {
    expect(() => create(cache)).toThrow(new TypeError('cache must be a CacheClient'));
  });

  test.each([0, -1, 1.5, '5', Number.NaN])('rejects the TTL %j', (ttl) => {
    expect(() => create(unreachableCache(), { ttl })).toThrow(
      /^ttl must be a (whole|finite) number of seconds/,
    );
  });

  test('accepts a client and a TTL', () => {
    expect(() => create(unreachableCache(), { ttl: 60 })).not.toThrow();
  });
});

test('cacheServiceDriver rejects a call without options', () => {
  expect(() => cacheServiceDriver(undefined as never)).toThrow('cache must be a CacheClient');
});

test('cacheMiddleware requires a TTL', () => {
  expect(() => cacheMiddleware(unreachableCache(), undefined as never)).toThrow(
    'ttl must be a finite number',
  );
});
