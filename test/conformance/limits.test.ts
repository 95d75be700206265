import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { compileGlob } from '../../lib/store/glob.ts';
import { MemoryStore } from '../../lib/store/memory/store.ts';
import { type CacheStore, noObserver, type StorageLimits } from '../../lib/store/store.ts';
import { backends, getPresent, newTenant, type OpenStore, setMany, soon } from './backends.ts';

/** Few, so that small tests have entries in each shard. */
const SHARDS = 4;
const MAX_ENTRIES = 400;
const MiB = 1024 ** 2;
const MAX_BYTES = 2 * MiB;

/** A JSON string of this length. */
const value = (bytes: number) => JSON.stringify('x'.repeat(bytes - 2));

const names = (prefix: string, count: number) => Array.from({ length: count }, (_, i) => `${prefix}:${i}`);

describe.each(backends)('limits of a tenant, $name', ({ open }) => {
  let opened: OpenStore;
  let store: CacheStore;
  let tenant: string;
  let evicted: number;
  /** Of all tenants but the first. */
  let limits: Partial<StorageLimits>;
  const others = new Set<string>();

  beforeEach(async () => {
    evicted = 0;
    limits = {};
    others.clear();
    tenant = newTenant();
    const observer = {
      ...noObserver,
      limitEvicted(count: number) {
        evicted += count;
      },
    };
    const limitsOf = (of: string) => ({
      maxEntries: undefined,
      maxBytes: undefined,
      ...(others.has(of) ? {} : limits),
    });
    opened = await open({ shards: SHARDS, compressMinBytes: 0 }, limitsOf, observer);
    store = opened.store;
  });
  afterEach(() => store.close());

  const present = async (keys: string[]) => (await getPresent(store, tenant, keys)).size;
  const usage = () => store.usage(tenant);

  describe('of entries', () => {
    beforeEach(() => {
      limits = { maxEntries: MAX_ENTRIES };
    });

    test('nothing is evicted below it', async () => {
      // Shards differ by a few entries, and each has a quarter of the limit.
      const keys = names('k', MAX_ENTRIES * 0.7);
      await setMany(store, tenant, keys, '"v"');
      await setMany(store, tenant, keys, '"again"');
      expect(await present(keys)).toBe(keys.length);
      expect(evicted).toBe(0);
    });

    test('a tenant that sets more keeps as many entries, within 5 %', async () => {
      const keys = names('k', MAX_ENTRIES * 4);
      await setMany(store, tenant, keys, '"v"');
      const { entries } = await usage();
      expect(entries).toBeLessThanOrEqual(MAX_ENTRIES * 1.05);
      expect(entries).toBeGreaterThanOrEqual(MAX_ENTRIES * 0.95);
      expect(await present(keys)).toBe(entries);
      expect(evicted).toBe(keys.length - entries);
    });

    test('it holds for writers that set at the same time', async () => {
      const keys = names('k', MAX_ENTRIES * 3);
      await Promise.all(keys.map((key) => store.set(tenant, key, '"v"', 100)));
      const { entries } = await usage();
      expect(entries).toBeLessThanOrEqual(MAX_ENTRIES * 1.05);
      expect(entries).toBeGreaterThanOrEqual(MAX_ENTRIES * 0.95);
    });

    test('entries that expire soonest are evicted first', async () => {
      const late = names('late', MAX_ENTRIES * 0.5);
      await setMany(store, tenant, late, '"v"', 1000);
      await setMany(store, tenant, names('early', MAX_ENTRIES * 2), '"v"', 100);
      expect(await present(late)).toBe(late.length);
      await setMany(store, tenant, names('latest', MAX_ENTRIES * 2), '"v"', 2000);
      expect(await present(late)).toBe(0);
    });

    test('the entry that is set remains, even if it expires first', async () => {
      await setMany(store, tenant, names('k', MAX_ENTRIES * 2), '"v"', 1000);
      for (const key of names('early', 20)) {
        expect(await store.set(tenant, key, '"new"', 10)).toBe(true);
        expect((await store.get(tenant, key))?.value).toBe('"new"');
      }
      const batch = names('batch', 100);
      await setMany(store, tenant, batch, '"new"', 5);
      expect(await present(batch)).toBe(batch.length);
    });

    test('an entry that was touched is evicted later', async () => {
      await setMany(store, tenant, names('early', MAX_ENTRIES * 0.5), '"v"', 100);
      await store.touch(tenant, 'early:7', 3000);
      await setMany(store, tenant, names('late', MAX_ENTRIES * 2), '"v"', 1000);
      expect(await store.get(tenant, 'early:7')).toBeDefined();
    });

    test('an eviction removes the names of tags, and ends leases', async () => {
      await store.set(tenant, 'tagged', '"v"', 1, { tags: ['a'], graceSeconds: 90 });
      await opened.pass(1100);
      const { lease } = await store.lease(tenant, 'tagged', 60);
      await setMany(store, tenant, names('k', MAX_ENTRIES * 2), '"v"', 1000);
      expect(await store.set(tenant, 'tagged', '"late"', 100, { lease: lease?.token })).toBe(false);
      expect(await store.invalidateTags(tenant, ['a'], soon())).toEqual({ count: 0, complete: true });
    });

    test('a clear gives the tenant its whole limit', async () => {
      await setMany(store, tenant, names('k', MAX_ENTRIES * 2), '"v"');
      await store.clear(tenant, soon());
      evicted = 0;
      const keys = names('new', MAX_ENTRIES * 0.7);
      await setMany(store, tenant, keys, '"v"');
      expect(await present(keys)).toBe(keys.length);
      expect(evicted).toBe(0);
    });

    test('a limit that was lowered applies to what is stored already', async () => {
      limits = {};
      await setMany(store, tenant, names('k', MAX_ENTRIES * 3), '"v"');
      limits = { maxEntries: MAX_ENTRIES };
      await setMany(store, tenant, names('new', 100), '"v"');
      expect((await usage()).entries).toBeLessThanOrEqual(MAX_ENTRIES * 1.05);
    });
  });

  describe('of bytes', () => {
    beforeEach(() => {
      limits = { maxBytes: MAX_BYTES };
    });

    test('nothing is evicted below it', async () => {
      const keys = names('k', 1000);
      // 1,400 bytes with the header: 70 %.
      await setMany(store, tenant, keys, value(1300));
      expect(await present(keys)).toBe(keys.length);
      expect(evicted).toBe(0);
    });

    test('entries that are replaced again and again do not add up', async () => {
      const keys = names('k', 300);
      for (let round = 0; round < 10; round++) await setMany(store, tenant, keys, value(1000));
      expect(await present(keys)).toBe(keys.length);
      expect(evicted).toBe(0);
    });

    test('a tenant that sets more keeps as many bytes, within 10 %', async () => {
      const keys = names('k', 6000);
      await setMany(store, tenant, keys, value(1000));
      const { bytes, entries } = await usage();
      expect(bytes).toBeLessThanOrEqual(MAX_BYTES * 1.1);
      expect(bytes).toBeGreaterThanOrEqual(MAX_BYTES * 0.9);
      expect(evicted).toBe(keys.length - entries);
    });

    test('it holds within 10 % for values of very different lengths', async () => {
      const keys = names('k', 4000);
      const items = keys.map((key, index) => ({
        key,
        value: value([100, 300, 1000, 3000][index % 4] as number),
        ttlSeconds: 100 + (index % 7),
      }));
      for (let at = 0; at < items.length; at += 100) await store.setMany(tenant, items.slice(at, at + 100));
      const stored = [...(await getPresent(store, tenant, keys)).values()];
      const bytes = stored.reduce((sum, text) => sum + text.length, 0);
      expect(bytes).toBeLessThanOrEqual(MAX_BYTES * 1.1);
      // The headers of some 2,000 entries are a part of the limit.
      expect(bytes + 60 * stored.length).toBeGreaterThanOrEqual(MAX_BYTES * 0.85);
    });

    test('it holds for writers that set at the same time', async () => {
      const keys = names('k', 5000);
      for (let at = 0; at < keys.length; at += 250) {
        await Promise.all(keys.slice(at, at + 250).map((key) => store.set(tenant, key, value(1000), 100)));
      }
      const { bytes } = await usage();
      expect(bytes).toBeLessThanOrEqual(MAX_BYTES * 1.1);
      expect(bytes).toBeGreaterThanOrEqual(MAX_BYTES * 0.9);
    });

    test('it holds within 10 % if a few values are much larger than the others', async () => {
      const keys = names('k', 6000);
      const items = keys.map((key, index) => ({
        key,
        value: value(index % 100 === 0 ? 20_000 : 300),
        ttlSeconds: 100 + (index % 7),
      }));
      for (let at = 0; at < items.length; at += 100) await store.setMany(tenant, items.slice(at, at + 100));
      const stored = [...(await getPresent(store, tenant, keys)).values()];
      const bytes = stored.reduce((sum, text) => sum + text.length, 0);
      expect(bytes).toBeLessThanOrEqual(MAX_BYTES * 1.1);
      expect(evicted).toBeGreaterThan(0);
    });

    test('a value that is larger than the share of a shard is accepted, and alone there', async () => {
      await setMany(store, tenant, names('k', 1000), value(1000));
      const large = value(MAX_BYTES);
      expect(await store.set(tenant, 'large', large, 10)).toBe(true);
      expect((await store.get(tenant, 'large'))?.value).toBe(large);
    });
  });

  test('no operation of a tenant above its limits removes an entry of another', {
    timeout: 120_000,
  }, async () => {
    limits = { maxEntries: 4 * 10, maxBytes: 1024 ** 2 };
    const key = fc.integer({ min: 0, max: 80 }).map((index) => `k:${index}`);
    const action = fc.oneof(
      {
        weight: 100,
        arbitrary: fc.record({ kind: fc.constant('set' as const), key, bytes: fc.constantFrom(10, 20_000) }),
      },
      {
        weight: 10,
        arbitrary: fc.record({
          kind: fc.constantFrom('delete' as const, 'touch' as const, 'lease' as const),
          key,
        }),
      },
      fc.record({ kind: fc.constantFrom('glob' as const, 'clear' as const, 'untag' as const) }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(action, { minLength: 150, maxLength: 250 }), async (actions) => {
        const [greedy, modest] = [newTenant(), newTenant()];
        others.add(modest);
        const keys = names('k', 80);
        await setMany(store, modest, keys, '"mine"');
        for (const each of actions) {
          if (each.kind === 'set') {
            await store.set(greedy, each.key, value(each.bytes), 100, { tags: ['a'] });
            expect(await store.get(greedy, each.key)).toBeDefined();
          } else if (each.kind === 'delete') await store.delete(greedy, each.key);
          else if (each.kind === 'touch') await store.touch(greedy, each.key, 50);
          else if (each.kind === 'lease') await store.lease(greedy, each.key, 60);
          else if (each.kind === 'glob') await store.invalidate(greedy, compileGlob('k:1*'), soon());
          else if (each.kind === 'untag') await store.invalidateTags(greedy, ['a'], soon());
          else await store.clear(greedy, soon());
        }
        expect((await store.usage(greedy)).entries).toBeLessThanOrEqual(40);
        expect((await getPresent(store, modest, keys)).size).toBe(keys.length);
      }),
      { numRuns: 5 },
    );
    expect(evicted).toBeGreaterThan(0);
  });
});

test('a tenant at its limit evicts its own entries and not those of others, if the memory of the embedded store is full', async () => {
  const limitsOf = (tenant: string) => ({
    maxEntries: tenant === 'greedy' ? 1000 : undefined,
    maxBytes: undefined,
  });
  // 1,700 entries of 1,700 bytes, with the overhead.
  const store = new MemoryStore({ memoryMaxBytes: 3 * MiB, limitsOf });
  const modest = names('m', 700);
  for (let at = 0; at < 1000; at += 100)
    await setMany(store, 'greedy', names(`first:${at}`, 100), value(900));
  await setMany(store, 'modest', modest, value(900));
  for (let round = 0; round < 50; round++) await setMany(store, 'greedy', names(`${round}`, 100), value(900));
  expect((await getPresent(store, 'modest', modest)).size).toBe(modest.length);
  expect((await store.usage('greedy')).entries).toBeGreaterThan(900);
});
