import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CacheClient } from '../../lib/client/index.ts';
import { leftOf, newTenant } from '../conformance/backends.ts';
import { type Service, startService } from '../http/service.ts';
import { script, success } from './scripted.ts';
import { PatientClient } from './service.ts';

let service: Service;
beforeAll(async () => {
  service = await startService();
});
afterAll(() => service.stop());

describe('a value', () => {
  const circle: Record<string, unknown> = {};
  circle.itself = circle;

  test.each([
    ['undefined', undefined],
    ['a function', () => 1],
    ['a symbol', Symbol.iterator],
    ['a bigint', 1n],
    ['one that holds a bigint', { a: [1n] }],
    ['a circle', circle],
    ['what makes nothing of itself', { toJSON: () => undefined }],
  ])('is rejected if JSON cannot represent it: %s', async (_, value) => {
    const server = await script(success({}));
    const cache = new CacheClient({ url: server.url, tenant: 't' });
    await expect(cache.set('k', value)).rejects.toThrow(TypeError);
    await expect(
      cache.setMany([
        { key: 'a', value: 1 },
        { key: 'k', value },
      ]),
    ).rejects.toThrow(TypeError);
    expect(server.asked).toEqual([]);
  });

  test('is returned as JSON represents it', async () => {
    const cache = new CacheClient({ url: service.url, tenant: newTenant() });
    const value = { date: new Date(0), gone: undefined, list: [undefined, Number.NaN], ['__proto__']: 1 };
    await cache.set('k', value);
    expect(await cache.get('k')).toMatchObject({
      value: JSON.parse('{"date":"1970-01-01T00:00:00.000Z","list":[null,null],"__proto__":1}'),
    });
  });

  test.each([Number.NaN, Number.POSITIVE_INFINITY])('is rejected with the ttl %d', async (ttl) => {
    const server = await script(success({}));
    const cache = new CacheClient({ url: server.url, tenant: 't' });
    await expect(cache.set('k', 1, { ttl })).rejects.toThrow('ttl');
    await expect(cache.setMany([{ key: 'k', value: 1, ttl }])).rejects.toThrow('ttl');
    expect(server.asked).toEqual([]);
  });
});

/** Whole numbers as bigints, all of them: also those that are the service's own. */
const bigintsFor = (text: string): unknown =>
  JSON.parse(text.replace(/(?<=[:[,])(-?\d+)(?=[,\]}])/g, '"n:$1"'), (_, value) =>
    typeof value === 'string' && value.startsWith('n:') ? BigInt(value.slice(2)) : value,
  );
const bigintText = (value: unknown): string =>
  JSON.stringify(value, (_, part) => (typeof part === 'bigint' ? `n:${part}` : part)).replace(
    /"n:(-?\d+)"/g,
    '$1',
  );

describe('parse and stringify of the caller', () => {
  const client = () =>
    new PatientClient({ url: service.url, tenant: newTenant(), parse: bigintsFor, stringify: bigintText });

  test('keep numbers that JSON.parse would round', async () => {
    const cache = client();
    const value = { id: 12345678901234567890n, list: [1n, 'n'] };
    await cache.set('k', value);
    expect(await cache.get('k')).toEqual({ found: true, key: 'k', value, ttl: leftOf(300) });
    await cache.setMany([{ key: 'l', value: -9007199254740993n }]);
    expect(await cache.getMany(['l'])).toEqual([
      { found: true, key: 'l', value: -9007199254740993n, ttl: 300 },
    ]);
    expect(await cache.getOrSet('m', 60, () => 2n ** 64n)).toBe(2n ** 64n);
    expect(await cache.getOrSet('m', 60, () => 0n)).toBe(2n ** 64n);
  });

  test('do not change the type of the service\u2019s own numbers', async () => {
    const cache = client();
    expect(await cache.set('k', 1)).toEqual({ key: 'k', ttl: 300 });
    expect(await cache.setMany([{ key: 'l', value: 1 }])).toEqual([{ key: 'l', ttl: 300 }]);
    expect(await cache.usage()).toMatchObject({ entries: 2, bytes: { sampled: 2, missing: 0 } });
    expect(await cache.deleteMany(['l'])).toBe(1);
    expect(await cache.invalidate('*')).toBe(1);
    await expect(cache.set('k', 'x'.repeat(6e6))).rejects.toMatchObject({ maxBytes: 5 * 1024 ** 2 });
  });
});
