import { describe, expect, test, vi } from 'vitest';
import { bearer, CacheClient, type KeysOptions, sigV4 } from '../../lib/client/index.ts';
import { miss, script } from './scripted.ts';

/** As callers see the client whose compiler does not check what they pass. */
type Unchecked = Record<string, (...args: unknown[]) => Promise<unknown>>;

class Listing extends CacheClient {
  /** The first key that `keys` lists. */
  nextKey(options: KeysOptions): Promise<unknown> {
    return this.keys(options).next();
  }
}

const produce = vi.fn(() => 'produced');
const url = 'http://localhost';

describe('a call with an argument of the wrong type', () => {
  test.each<[string, unknown[], string]>([
    ...['get', 'set', 'touch', 'delete', 'getOrSet', 'lease', 'release'].flatMap((method) =>
      [undefined, null, 7].map((key): [string, unknown[], string] => [
        method,
        [key, 60, produce],
        'key must be a string',
      ]),
    ),
    ...['getMany', 'deleteMany', 'getOrSetMany'].flatMap((method): [string, unknown[], string][] => [
      [method, [undefined, 60, produce], 'keys must be an array of strings'],
      [method, ['abc', 60, produce], 'keys must be an array of strings'],
      [method, [['a', 7], 60, produce], 'keys[1] must be a string'],
    ]),
    ['invalidate', [], 'pattern must be a string; clear() empties the tenant'],
    ['invalidate', [undefined], 'pattern must be a string; clear() empties the tenant'],
    ['invalidate', [null], 'pattern must be a string; clear() empties the tenant'],
    ...[undefined, null, 'abc', ['a', 7], [null]].map((tags): [string, unknown[], string] => [
      'invalidateTags',
      [tags],
      'tags must be an array of strings',
    ]),
    ['invalidateTags', [[]], 'tags must contain at least one tag; clear() empties the tenant'],
    ['invalidateTags', [['a'], 60], 'options must be an object, e.g. { timeoutMs: 1000 }'],
    ['setMany', [undefined], 'entries must be an array of objects'],
    ['setMany', [[{ key: 'k', value: 1 }, null]], 'entries[1] must be an object'],
    ['setMany', [[{ value: 1 }]], 'entries[0].key must be a string'],
    ['setMany', [[{ key: 'k', value: 1, ttl: '60' }]], 'entries[0].ttl must be a finite number of seconds'],
    ['setMany', [[{ key: 'k' }]], 'entries[0].value must be serializable as JSON: undefined is not'],
    ['set', ['k'], 'value must be serializable as JSON: undefined is not'],
    ['set', ['k', { n: 1n }], 'value must be serializable as JSON: Do not know how to serialize a BigInt'],
    ['set', ['k', 1, 60], 'options must be an object, e.g. { ttl: 60 }'],
    ['set', ['k', 1, null], 'options must be an object, e.g. { ttl: 60 }'],
    ['set', ['k', 1, { ttl: '60' }], 'ttl must be a finite number of seconds'],
    ['set', ['k', 1, { ttl: Number.NaN }], 'ttl must be a finite number of seconds'],
    ['touch', ['k'], 'ttl must be a finite number of seconds'],
    ['touch', ['k', '60'], 'ttl must be a finite number of seconds'],
    ['touch', ['k', 60, 60], 'options must be an object, e.g. { timeoutMs: 1000 }'],
    ['get', ['k', 60], 'options must be an object, e.g. { timeoutMs: 1000 }'],
    ['delete', ['k', 60], 'options must be an object, e.g. { timeoutMs: 1000 }'],
    ['getMany', [['k'], 60], 'options must be an object, e.g. { timeoutMs: 1000 }'],
    ['invalidate', ['*', 60], 'options must be an object, e.g. { timeoutMs: 1000 }'],
    ['clear', ['other'], 'options must be an object, e.g. { timeoutMs: 1000 }'],
    ['usage', ['other'], 'options must be an object, e.g. { timeoutMs: 1000 }'],
    ['health', ['other'], 'options must be an object, e.g. { timeoutMs: 1000 }'],
    ...[0, -1, Number.NaN, '100', null].map((timeoutMs): [string, unknown[], string] => [
      'get',
      ['k', { timeoutMs }],
      'timeoutMs must be a number above 0',
    ]),
    ['get', ['k', { signal: new AbortController() }], 'signal must be an AbortSignal'],
    ['get', ['k', { correlationId: 7 }], 'correlationId must be a string'],
    ['get', ['k', { headers: 'x-one: 1' }], 'headers must be an object'],
    ['getOrSet', ['k', produce], 'ttl must be a finite number of seconds'],
    ['getOrSet', ['k', '60', produce], 'ttl must be a finite number of seconds'],
    ['getOrSet', ['k', Number.POSITIVE_INFINITY, produce], 'ttl must be a finite number of seconds'],
    ['getOrSet', ['k', 60, 'produced'], 'produce must be a function'],
    ['getOrSet', ['k', 60, produce, 60], 'options must be an object, e.g. { timeoutMs: 1000 }'],
    ['getOrSet', ['k', 60, produce, { timeoutMs: -1 }], 'timeoutMs must be a number above 0'],
    ['getOrSet', ['k', 60, produce, { produceTimeoutMs: 0 }], 'produceTimeoutMs must be a number above 0'],
    ...['getOrSet', 'getOrSetMany'].flatMap((method) =>
      (
        [
          [{ grace: '60' }, 'grace must be a finite number of seconds'],
          [{ lease: '30' }, 'lease must be a finite number of seconds'],
          [{ tags: 'one' }, 'tags must be an array of strings'],
          [{ tags: ['one', 2] }, 'tags must be an array of strings'],
          [{ tagsOf: ['one'] }, 'tagsOf must be a function'],
          [{ waitUntil: Promise.resolve() }, 'waitUntil must be a function'],
        ] as const
      ).map(([options, message]): [string, unknown[], string] => [
        method,
        [method === 'getOrSet' ? 'k' : ['k'], 60, produce, options],
        message,
      ]),
    ),
    ['getOrSetMany', [['k'], '60', produce], 'ttl must be a finite number of seconds'],
    ['getOrSetMany', [['k'], 60], 'produceMissing must be a function'],
    ['getOrSetMany', [['k'], 60, produce, null], 'options must be an object, e.g. { timeoutMs: 1000 }'],
    ['set', ['k', 1, { grace: '60' }], 'grace must be a finite number of seconds'],
    ['set', ['k', 1, { lease: { token: 'abc' } }], 'lease must be a string'],
    ['setMany', [[{ key: 'k', value: 1, lease: 7 }]], 'entries[0].lease must be a string'],
    ['set', ['k', 1, { tags: 'one' }], 'tags must be an array of strings'],
    ['setMany', [[{ key: 'k', value: 1, tags: [7] }]], 'entries[0].tags must be an array of strings'],
    ['lease', ['k', { tags: null }], 'tags must be an array of strings'],
    ['nextKey', ['user:*'], "options must be an object, e.g. { pattern: 'user:*' }"],
    ['nextKey', [{ pattern: 7 }], 'pattern must be a string'],
    ['nextKey', [{ tag: ['one'] }], 'tag must be a string'],
    ['nextKey', [{ limit: '10' }], 'limit must be a finite number of keys'],
    ['nextKey', [{ timeoutMs: 0 }], 'timeoutMs must be a number above 0'],
    ['lease', ['k', null], 'options must be an object, e.g. { lease: 30 }'],
    ['lease', ['k', { lease: '30' }], 'lease must be a finite number of seconds'],
    ['release', ['k'], 'token must be a string'],
  ])('rejects with a TypeError that names it, and sends nothing: %s %o', async (method, args, message) => {
    const server = await script(miss);
    const onError = vi.fn();
    const cache = new Listing({ url: server.url, tenant: 't', onError }) as unknown as Unchecked;
    const error: unknown = await cache[method]?.(...args).catch((reason) => reason);
    expect(error).toBeInstanceOf(TypeError);
    expect((error as TypeError).message).toBe(message);
    expect(server.asked).toEqual([]);
    expect(produce).not.toHaveBeenCalled();
    expect(onError).not.toHaveBeenCalled();
  });

  test('treats undefined in an optional place as absent', async () => {
    const server = await script(miss);
    const cache = new CacheClient({
      ...{
        url: server.url,
        tenant: 't',
        userId: undefined,
        timeoutMs: undefined,
        produceTimeoutMs: undefined,
      },
      ...{ retries: undefined, fetch: undefined, authorize: undefined, headers: undefined },
      ...{ onError: undefined, parse: undefined, stringify: undefined },
    });
    const options = { timeoutMs: undefined, signal: undefined, correlationId: undefined, headers: undefined };
    expect(await cache.get('k', options)).toEqual({ found: false, key: 'k' });
    expect(await cache.get('k', undefined)).toEqual({ found: false, key: 'k' });
  });
});

describe('a client', () => {
  test.each<[unknown, string]>([
    [undefined, 'options must be an object, e.g. { url, tenant }'],
    ['http://localhost', 'options must be an object, e.g. { url, tenant }'],
    [{ tenant: 't' }, 'url must be http: or https:, without user, query and fragment'],
    [{ url }, 'tenant must be a string'],
    [{ url, tenant: undefined }, 'tenant must be a string'],
    [{ url, tenant: 7 }, 'tenant must be a string'],
    [{ url, tenant: 't', userId: 7 }, 'userId must be a string'],
    [{ url, tenant: 't', timeoutMs: -1 }, 'timeoutMs must be a number above 0'],
    [{ url, tenant: 't', timeoutMs: Number.NaN }, 'timeoutMs must be a number above 0'],
    [{ url, tenant: 't', timeoutMs: '5' }, 'timeoutMs must be a number above 0'],
    [{ url, tenant: 't', produceTimeoutMs: 0 }, 'produceTimeoutMs must be a number above 0'],
    [{ url, tenant: 't', retries: -1 }, 'retries must be a number, 0 or more'],
    [{ url, tenant: 't', retries: Number.NaN }, 'retries must be a number, 0 or more'],
    ...['fetch', 'authorize', 'headers', 'onError', 'parse', 'stringify'].map((name): [unknown, string] => [
      { url, tenant: 't', [name]: {} },
      `${name} must be a function`,
    ]),
  ])('rejects the options %o', (options, message) => {
    const make = () => new CacheClient(options as ConstructorParameters<typeof CacheClient>[0]);
    expect(make).toThrow(new TypeError(message));
  });

  test.each([undefined, null, 7])('rejects the tenant %j in forTenant', (tenant) => {
    const cache = new CacheClient({ url, tenant: 't' });
    expect(() => cache.forTenant(tenant as unknown as string)).toThrow(
      new TypeError('tenant must be a string'),
    );
  });

  test.each<[() => unknown, string]>([
    [() => bearer(undefined as unknown as string), 'token must be a string or a function'],
    [() => sigV4(undefined as never), 'options must be an object, e.g. { region, credentials }'],
    [() => sigV4({ credentials: produce } as never), 'region must be a string'],
    [() => sigV4({ region: 'eu-central-1' } as never), 'credentials must be an object or a function'],
    [
      () => sigV4({ region: 'eu-central-1', credentials: 'AKID' } as never),
      'credentials must be an object or a function',
    ],
  ])('rejects an authorization with a missing part: %s', (make, message) => {
    expect(make).toThrow(new TypeError(message));
  });

  test.each([
    [bearer(() => undefined as unknown as string), 'token must be a string'],
    [
      sigV4({ region: 'eu-central-1', credentials: (() => undefined) as never }),
      'credentials must be an object',
    ],
    [
      sigV4({ region: 'eu-central-1', credentials: { accessKeyId: 'a' } as never }),
      'credentials.secretAccessKey must be a string',
    ],
  ])('sends nothing if its authorization lacks a part: %#', async (authorize, message) => {
    const server = await script(miss);
    const cache = new CacheClient({ url: server.url, tenant: 't', authorize });
    await expect(cache.get('k')).rejects.toThrow(new TypeError(message));
    expect(server.asked).toEqual([]);
  });

  test.each<[string, object]>([
    ['x-tenant-id', { tenant: '🎈' }],
    ['x-user-id', { userId: 'a\nb' }],
    ['x-any', { headers: () => ({ 'X-Any': 'a\nb' }) }],
    ['a b', { headers: () => ({ 'a b': '1' }) }],
  ])('rejects with a TypeError that names the invalid header %j', async (name, options) => {
    const cache = new CacheClient({ url, tenant: 't', ...options });
    const error = await cache.get('k').catch((reason) => reason);
    expect(error).toBeInstanceOf(TypeError);
    expect(error.message).toMatch(`The header ${name} cannot be sent: `);
  });
});
