import keyvTestSuite, { keyvIteratorTests } from '@keyv/test-suite';
import { Keyv, type KeyvStoreAdapter } from 'keyv';
import { Keyv as Keyv6 } from 'keyv-6';
import * as vitest from 'vitest';
import { keyvStore } from '../../lib/client/adapters/keyv.ts';
import type { CacheClient } from '../../lib/client/index.ts';
import { describeWithCaches, unreachableCache } from './caches.ts';

const { beforeAll, describe, expect, test } = vitest;

/** Keyv 6, except that `deleteMany` returns one result, as in Keyv 5, for which the published suite is written. */
class Keyv6WithOneResult extends Keyv6 {
  override async deleteMany(keys: string[]): Promise<boolean[]> {
    const results = await super.deleteMany(keys);
    return results.some(Boolean) as unknown as boolean[];
  }
}

const VERSIONS = [
  ['Keyv 5', Keyv],
  ['Keyv 6', Keyv6WithOneResult as unknown as typeof Keyv],
] as const;

describe.each(VERSIONS)('%s', (_, AnyKeyv) => {
  describeWithCaches('with keyvStore', (open) => {
    let cache: CacheClient;
    beforeAll(() => {
      cache = open();
    });
    const store = (): KeyvStoreAdapter => keyvStore(cache);

    // Some TTLs of the suite are one second, in which a busy machine may not finish a test.
    describe('passes the published suite', { retry: 3 }, () => {
      keyvTestSuite(vitest, AnyKeyv, store);
      keyvIteratorTests(vitest, AnyKeyv, store);
    });

    test('sets, gets and deletes more keys than a request can carry', async () => {
      const keyv = new AnyKeyv({ store: keyvStore(open()), namespace: 'many' });
      const entries = Array.from({ length: 250 }, (_, index) => ({ key: `k${index}`, value: index }));
      expect(await keyv.setMany(entries)).toEqual(entries.map(() => true));
      const keys = [...entries.map(({ key }) => key), 'absent'];
      expect(await keyv.getMany(keys)).toEqual([...entries.map(({ value }) => value), undefined]);
      expect(await keyv.has(['k0', 'absent'])).toEqual([true, false]);
      const listed = new Map<string, number>();
      for await (const [key, value] of keyv.iterator?.({}) ?? []) listed.set(key, value);
      expect(listed).toEqual(new Map(entries.map(({ key, value }) => [key, value])));
      await keyv.deleteMany(keys);
      expect((await keyv.getMany(keys)).filter((value) => value !== undefined)).toEqual([]);
    });

    test.each([
      ['longer than the service accepts', 'x'.repeat(2000), 'x'.repeat(2001)],
      ['with control characters', 'a\nb', 'a\tb'],
      ['with halves of surrogate pairs', 'a\ud800', 'a\ud801'],
    ])('keeps keys apart that are %s, clears them, and does not list them', async (_, key, other) => {
      const keyv = new AnyKeyv({ store: keyvStore(open()), namespace: 'long' });
      await keyv.set(key, 1);
      await keyv.set(other, 2);
      await keyv.set('short', 3);
      expect(await keyv.get([key, other, 'short'])).toEqual([1, 2, 3]);
      const listed: string[] = [];
      for await (const [key] of keyv.iterator?.({}) ?? []) listed.push(key);
      expect(listed).toEqual(['short']);
      await keyv.clear();
      expect(await keyv.get([key, other, 'short'])).toEqual([undefined, undefined, undefined]);
    });

    test('does not treat a namespace as a pattern', async () => {
      const shared = open();
      const starred = new AnyKeyv({ store: keyvStore(shared), namespace: 'a*' });
      const other = new AnyKeyv({ store: keyvStore(shared), namespace: 'ab' });
      await starred.set('k', 1);
      await other.set('k', 2);
      await starred.clear();
      expect([await starred.get('k'), await other.get('k')]).toEqual([undefined, 2]);
    });

    test('rounds a TTL up to seconds, cuts it to the maximum, and has a default', async () => {
      const shared = open();
      const keyv = new AnyKeyv({ store: keyvStore(shared, { ttl: 50_000 }), namespace: 'ttl' });
      await keyv.set('rounded', 1, 20_000_500);
      await keyv.set('cut', 1, 40 * 24 * 3600 * 1000);
      await keyv.set('default', 1);
      const ttls = new Map<string, number>();
      for await (const { key, ttl } of shared.keys()) ttls.set(key.replace(/^.*:/, ''), ttl);
      const near = (seconds: number) =>
        expect.toSatisfy((ttl) => ttl <= seconds && ttl > seconds - 100, `at most ${seconds}`);
      expect(Object.fromEntries(ttls)).toEqual({
        rounded: near(20_001),
        cut: near(30 * 24 * 3600),
        default: near(50_000),
      });
    });
  });

  test('emits an error, misses and returns false if the service cannot be reached', async () => {
    const keyv = new AnyKeyv({ store: keyvStore(unreachableCache()), namespace: 'n' });
    const codes: unknown[] = [];
    keyv.on('error', (error: { code?: unknown }) => codes.push(error.code));
    expect(await keyv.get('k')).toBeUndefined();
    expect(await keyv.getMany(['k', 'l'])).toEqual([undefined, undefined]);
    expect(await keyv.has('k')).toBe(false);
    expect(await keyv.set('k', 1)).toBe(false);
    expect(await keyv.delete('k')).toBe(false);
    await keyv.clear();
    expect(codes).toEqual(Array(6).fill('CONNECTION_FAILED'));
  });
});
