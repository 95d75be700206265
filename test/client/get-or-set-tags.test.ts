import { describe, expect, test, vi } from 'vitest';
import type { CacheClient, GetOrSetOptions } from '../../lib/client/index.ts';
import { granted, type Move, script, success, TOKEN, wasSet } from './scripted.ts';
import { serviceForClients } from './service.ts';

const { start } = serviceForClients();

/** A lease that no test outlives. */
const LONG = { lease: 300 };

type Fill = (
  cache: CacheClient,
  produce: () => Promise<string>,
  options: GetOrSetOptions<string>,
) => Promise<unknown>;

const fills: [string, Fill][] = [
  ['getOrSet', (cache, produce, options) => cache.getOrSet('k', 60, produce, options)],
  [
    'getOrSetMany of one key',
    async (cache, produce, options) =>
      (await cache.getOrSetMany(['k'], 60, async () => [await produce()], options))[0],
  ],
  [
    'getOrSetMany of several keys',
    async (cache, produce, options) => {
      const produceMissing = async (keys: string[]) => {
        const value = await produce();
        return keys.map(() => value);
      };
      return (await cache.getOrSetMany(['k', 'l'], 60, produceMissing, options))[0];
    },
  ],
];

describe.each(fills)('the tags of a %s', (_, fill) => {
  /** Invalidates from another process while the value is produced. @returns whether the value was cached, and who was reported what */
  async function invalidateMeanwhile(options: GetOrSetOptions<string>, tags: string[]) {
    const { cache, reported } = start();
    const { cache: other } = start({ tenant: cache.tenant });
    const begun = Promise.withResolvers<void>();
    const work = Promise.withResolvers<string>();
    const produce = () => {
      begun.resolve();
      return work.promise;
    };
    const call = fill(cache, produce, { ...LONG, ...options });
    await begun.promise;
    await other.invalidateTags(tags);
    work.resolve('old');
    expect(await call).toBe('old');
    expect(reported).toEqual([]);
    return { cache, isCached: (await other.get('k')).found };
  }

  test('remove the value', async () => {
    const { cache } = start();
    const produce = vi.fn(async () => 'produced');
    for (let i = 0; i < 2; i++) await fill(cache, produce, { tags: ['a', 'b'] });
    expect(produce).toHaveBeenCalledTimes(1);
    expect(await cache.invalidateTags(['b'])).toBeGreaterThan(0);
    await fill(cache, produce, { tags: ['a', 'b'] });
    expect(produce).toHaveBeenCalledTimes(2);
  });

  test('reject the value if one of them is invalidated while it is produced', async () => {
    expect(await invalidateMeanwhile({ tags: ['a', 'b'] }, ['b'])).toMatchObject({ isCached: false });
    expect(await invalidateMeanwhile({ tags: ['a', 'b'] }, ['c'])).toMatchObject({ isCached: true });
  });

  test('are replaced by those of the produced value, and apply while it is produced', async () => {
    const options = { tags: ['all'], tagsOf: (value: string, key: string) => [value, `${key}!`] };
    expect(await invalidateMeanwhile(options, ['all'])).toMatchObject({ isCached: false });
    const { cache, isCached } = await invalidateMeanwhile(options, ['other']);
    expect(isCached).toBe(true);
    expect(await cache.invalidateTags(['all'])).toBe(0);
    expect((await cache.keys({ pattern: 'k' }).next()).value).toMatchObject({ tags: ['old', 'k!'] });
    expect(await cache.invalidateTags(['old'])).toBeGreaterThan(0);
  });

  test.each<[string, (value: string) => string[]]>([
    [
      'throws',
      () => {
        throw new TypeError('no tags');
      },
    ],
    ['returns no list', () => 'a' as unknown as string[]],
    ['returns what is not a string', () => [7 as unknown as string]],
  ])('leave the value uncached if tagsOf %s, and release its lease', async (_, tagsOf) => {
    const { cache, reported } = start();
    expect(await fill(cache, async () => 'produced', { ...LONG, tagsOf })).toBe('produced');
    expect(reported).toContainEqual({ code: undefined, operation: 'set', key: 'k' });
    expect(await cache.lease('k')).toMatchObject({ found: false, lease: expect.anything() });
  });
});

test('a call of getOrSet that starts after an invalidation of tags does not join an earlier one', async () => {
  const { cache } = start();
  const begun = Promise.withResolvers<void>();
  const work = Promise.withResolvers<string>();
  const before = cache.getOrSet(
    'k',
    60,
    () => {
      begun.resolve();
      return work.promise;
    },
    { ...LONG, tags: ['a'] },
  );
  await begun.promise;
  await cache.invalidateTags(['a']);
  expect(await cache.getOrSet('k', 60, () => 'new', { ...LONG, tags: ['a'] })).toBe('new');
  work.resolve('old');
  expect(await before).toBe('old');
  expect(await cache.get('k')).toMatchObject({ value: 'new' });
});

test('lease requests, batches of them and sets contain the tags', async () => {
  const tags = ['a', 'b'];
  const one = await script(granted, wasSet);
  await start({ url: one.url }).cache.getOrSet('k', 60, () => 1, { ...LONG, tags });
  expect(one.asked.map(({ body }) => JSON.parse(body))).toEqual([
    { key: 'k', lease: 300, tags },
    { key: 'k', value: 1, ttl: 60, lease: TOKEN, tags },
  ]);
  const leased = (key: string) => ({ key, found: false, lease: { token: TOKEN, ttl: 30 } });
  const set = (key: string) => ({ key, status: 'set', ttl: 60 });
  const moves: [Move, Move] = [
    success({ items: ['k', 'l'].map(leased) }),
    success({ items: ['k', 'l'].map(set) }, 201),
  ];
  const many = await script(...moves);
  await start({ url: many.url }).cache.getOrSetMany(['k', 'l'], 60, () => [1, 2], { tags });
  expect(many.asked.map(({ body }) => JSON.parse(body))).toMatchObject([
    { keys: ['k', 'l'], tags },
    {
      items: [
        { key: 'k', tags },
        { key: 'l', tags },
      ],
    },
  ]);
});
