import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CacheClient } from '../../lib/client/index.ts';
import { newTenant } from '../conformance/backends.ts';
import { type Service, startService } from '../http/service.ts';
import { anyCharacter } from '../support/characters.ts';
import { numRuns } from '../support/long-run.ts';
import { PatientClient } from './service.ts';

let service: Service;
beforeAll(async () => {
  service = await startService();
});
afterAll(() => service.stop());

/** What a path, a query, a URL or a route might take for something of its own. */
const PARTS = ['/', '//', '?', '#', '%', '%2F', '%2f', '%3F', '%2e', '%2E%2E', '%00', '%zz', '+', ' ', '&', '=', ';', '.', '..',
  '\\', '*', "'", '"', '(', ')', '!', '~', ':', '@', 'key=', 'invalidate', 'tenant', 'batch', 'get', 'health', 'http://a',
  'é', 'e\u0301', '漢', '🔑', '\u2028', '\ufeff', '\uffff', '__proto__', 'a', 'B', '0']; // biome-ignore format: a list to look at as a whole

const key = fc.oneof(
  fc.constantFrom(...PARTS),
  fc.array(fc.constantFrom(...PARTS), { minLength: 1, maxLength: 6 }).map((parts) => parts.join('')),
  fc.string({ unit: anyCharacter, minLength: 1, maxLength: 60 }).filter((text) => !/\p{Cc}/u.test(text)),
);

describe('a key of any form', () => {
  test('is set, found, deleted and filled under its own name, and touches no other', {
    timeout: 120_000,
  }, async () => {
    const property = fc.asyncProperty(fc.uniqueArray(key, { minLength: 2, maxLength: 8 }), async (keys) => {
      const cache = new PatientClient({ url: service.url, tenant: newTenant() });
      for (const name of keys) expect(await cache.set(name, { name })).toMatchObject({ key: name });
      const held = () => cache.getMany<{ name: string }>(keys);
      expect(await held()).toEqual(
        keys.map((name) => ({ found: true, key: name, value: { name }, ttl: expect.any(Number) })),
      );
      for (const name of keys) {
        expect(await cache.get(name)).toMatchObject({ found: true, key: name, value: { name } });
        expect(await cache.getOrSet(name, 60, () => ({ name: 'produced' }))).toEqual({ name });
      }
      const [first = '', ...rest] = keys;
      await cache.delete(first);
      expect(await cache.get(first)).toEqual({ found: false, key: first });
      expect((await held()).filter(({ found }) => found).map((item) => item.key)).toEqual(rest);
      expect(await cache.invalidate((rest[0] ?? '').replace(/[*?[\]\\]/g, '\\$&'))).toBe(1);
      expect(await cache.deleteMany(keys)).toBe(rest.length - 1);
    });
    await fc.assert(property, { numRuns: numRuns(60) });
  });

  test('is encoded in the URL so that the service reads the same key', async () => {
    const urls: string[] = [];
    const cache = new CacheClient({
      url: 'http://localhost',
      tenant: 't',
      fetch: async (url) => {
        urls.push(url);
        return new Response(null, { status: 204 });
      },
    });
    const property = fc.asyncProperty(key, async (name) => {
      await cache.delete(name);
      const { pathname, searchParams, hash, href } = new URL(urls.at(-1) ?? '');
      expect([pathname, [...searchParams], hash]).toEqual(['/api/v1/cache', [['key', name]], '']);
      expect(href.replaceAll('%27', "'")).toBe(urls.at(-1));
    });
    await fc.assert(property, { numRuns: numRuns(500) });
  });

  test.each(['', '\u0000', 'a\nb', '\u0085', 'k'.repeat(1025), '\ud800', 'a\udc00b'])(
    'that there cannot be is refused in every call: %j',
    async (name) => {
      const cache = new CacheClient({ url: service.url, tenant: newTenant() });
      const calls = [
        () => cache.get(name),
        () => cache.delete(name),
        () => cache.set(name, 1),
        () => cache.getMany([name]),
        () => cache.deleteMany([name]),
        () => cache.setMany([{ key: name, value: 1 }]),
      ];
      for (const call of calls) {
        await expect(call()).rejects.toMatchObject({
          code: 'VALIDATION_ERROR',
          issues: [{ field: expect.stringMatching(/key/), message: expect.any(String) }],
        });
      }
    },
  );
});
