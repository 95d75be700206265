import { expect, test } from 'vitest';
import { leftOf } from '../conformance/backends.ts';
import { batch, itemsIn } from './batch.ts';
import { type Client, dataOf, describeOnBackends, detailsOf, expectInvalid } from './client.ts';
import { namesOf, walk } from './keys.ts';
import { fill, grantedToken, sendLease, setStale, TOKEN } from './lease.ts';

const setTagged = (client: Client, key: string, tags: unknown, more: object = {}) =>
  client.post(JSON.stringify({ key, value: 1, tags, ...more }));

/** Invalidates by tags. @returns the count */
async function invalidateTags(client: Client, tags: string[]): Promise<number> {
  const { count, ...rest } = dataOf(await client.invalidate({ tags }), 200);
  expect(rest).toEqual({ tags: [...new Set(tags)], status: 'invalidated' });
  return count as number;
}

const tagsOf = async (client: Client) =>
  Object.fromEntries((await walk(client)).map(({ key, tags }) => [key, tags]));

/** Tags that a pattern, a key, a store, a URL or JSON could give a meaning. */
const LITERAL = [
  '*',
  '?',
  '[a-z]',
  '\\*',
  'doc:*',
  'a/b?c',
  'k',
  'ключ',
  '🔑',
  ' ',
  '"',
  '%41',
  '{cache:t:0}',
  '__proto__',
  'a,b',
];

describeOnBackends('an invalidation by tags', {}, (connect) => {
  test('removes every entry with at least one of the tags, and counts each once', async () => {
    const client = connect();
    dataOf(await setTagged(client, 'both', ['doc:1', 'doc:2']), 201);
    dataOf(await setTagged(client, 'first', ['doc:1']), 201);
    dataOf(await setTagged(client, 'second', ['other', 'doc:2']), 201);
    dataOf(await setTagged(client, 'third', ['doc:3']), 201);
    dataOf(await setTagged(client, 'doc:1', []), 201);
    expect(await invalidateTags(client, ['doc:1', 'doc:2', 'unused'])).toBe(3);
    expect(await client.held(['both', 'first', 'second', 'third', 'doc:1'])).toEqual(['third', 'doc:1']);
    expect(await invalidateTags(client, ['doc:1', 'doc:2'])).toBe(0);
    expect(await invalidateTags(client, ['doc:3', 'doc:3'])).toBe(1);
  });

  test('counts entries in their grace, but neither expired ones nor leases', async () => {
    const client = connect();
    dataOf(await setTagged(client, 'stale', ['t'], { ttl: 1, grace: 1000 }), 201);
    dataOf(await setTagged(client, 'expired', ['t'], { ttl: 1 }), 201);
    dataOf(await sendLease(client, { key: 'leased', lease: 300, tags: ['t'] }), 200);
    await expect.poll(() => client.held(['stale', 'expired'])).toEqual([]);
    expect(await invalidateTags(client, ['t'])).toBe(1);
    expect(dataOf(await sendLease(client, { key: 'stale' }), 200)).toMatchObject({ found: false });
  });

  test('removes an entry by the tags that it was last set with', async () => {
    const client = connect();
    dataOf(await setTagged(client, 'changed', ['old', 'kept']), 201);
    dataOf(await setTagged(client, 'changed', ['kept', 'new']), 201);
    dataOf(await setTagged(client, 'untagged', ['old']), 201);
    dataOf(await client.set('untagged', '1'), 201);
    expect(await invalidateTags(client, ['old'])).toBe(0);
    expect(await client.held(['changed', 'untagged'])).toEqual(['changed', 'untagged']);
    expect(await invalidateTags(client, ['new'])).toBe(1);
    expect(await client.held(['changed', 'untagged'])).toEqual(['untagged']);
  });

  test('leaves the tags as they are after a touch', async () => {
    const client = connect();
    dataOf(await setTagged(client, 'k', ['t']), 201);
    const touch = { method: 'POST', target: '/api/v1/cache/touch', body: '{"key":"k","ttl":100}' };
    dataOf(await client.send(touch), 200);
    expect(await walk(client)).toEqual([{ key: 'k', ttl: leftOf(100), stale: false, tags: ['t'] }]);
    expect(await invalidateTags(client, ['t'])).toBe(1);
  });

  test.each(LITERAL)('reads the tag %s neither as a pattern nor as a part of a key', async (tag) => {
    const client = connect();
    const others = [...LITERAL.filter((other) => other !== tag), 'doc:1', 'a', `${tag}${tag}`, `${tag}x`];
    const items = others.map((other) => ({ key: other, value: 1, tags: [other] }));
    itemsIn(await batch(client, 'set', JSON.stringify({ items })), 201);
    dataOf(await setTagged(client, tag, [tag]), 201);
    expect(await invalidateTags(client, [tag])).toBe(1);
    expect(namesOf(await walk(client)).sort()).toEqual([...others].sort());
  });

  test('removes nothing of another tenant', async () => {
    const [mine, theirs] = [connect(), connect()];
    for (const client of [mine, theirs]) dataOf(await setTagged(client, 'k', ['t']), 201);
    expect(await invalidateTags(mine, ['t'])).toBe(1);
    expect(await theirs.holds('k')).toBe(true);
    const body = { tags: ['t'], tenant_id: theirs.tenant };
    detailsOf(await mine.invalidate(body), 403, 'TENANT_MISMATCH');
    expect(await theirs.holds('k')).toBe(true);
    expect(dataOf(await theirs.invalidate(body), 200)).toMatchObject({ count: 1 });
  });

  test('is not touched by a pattern that looks like the name of a tag', async () => {
    const client = connect();
    dataOf(await setTagged(client, 'k', ['t']), 201);
    for (const pattern of ['\u0001*', '?t*', '\u0001t\u0001*', 't', '[\u0000-\u001f]*']) {
      expect(dataOf(await client.invalidate({ pattern }), 200).count, pattern).toBe(0);
    }
    expect(await client.holds('k')).toBe(true);
    expect(dataOf(await client.invalidate({ pattern: '*' }), 200).count).toBe(1);
  });
});

describeOnBackends('tags', {}, (connect) => {
  test('of a set are stored without repetitions, and null and an empty list are none', async () => {
    const client = connect();
    dataOf(await setTagged(client, 'a', ['y', 'x', 'y']), 201);
    dataOf(await setTagged(client, 'b', null), 201);
    dataOf(await setTagged(client, 'c', []), 201);
    dataOf(await client.set('d', '1'), 201);
    expect(await tagsOf(client)).toEqual({ a: ['y', 'x'], b: [], c: [], d: [] });
  });

  test('of the maximum number and length are stored, in characters of any length', async () => {
    const client = connect();
    const tags = ['k', 'é', '漢', '🔑'].flatMap((unit) =>
      [0, 1, 2, 3].map((n) => unit.repeat(Math.floor(254 / Buffer.byteLength(unit))) + n),
    );
    expect(tags).toHaveLength(16);
    dataOf(await setTagged(client, 'k', [...tags.slice(1), 't'.repeat(256)]), 201);
    dataOf(await setTagged(client, 'l', tags), 201);
    expect(await invalidateTags(client, ['t'.repeat(256)])).toBe(1);
    expect(await invalidateTags(client, tags)).toBe(1);
  });

  test('of a batch of sets belong to their items', async () => {
    const client = connect();
    const items = [
      { key: 'a', value: 1, tags: ['t', 'u'] },
      { key: 'b', value: 1 },
      { key: 'c', value: 1, tags: null },
      { key: 'd', value: 1, tags: ['u'] },
      { key: 'd', value: 2, tags: ['v'] },
    ];
    itemsIn(await batch(client, 'set', JSON.stringify({ items })), 201);
    expect(await tagsOf(client)).toEqual({ a: ['t', 'u'], b: [], c: [], d: ['v'] });
    expect(await invalidateTags(client, ['u'])).toBe(1);
    expect(await client.held(['a', 'b', 'c', 'd'])).toEqual(['b', 'c', 'd']);
  });

  test('of a lease request end the lease when one of them is invalidated', async () => {
    const client = connect();
    const granted = dataOf(await sendLease(client, { key: 'k', lease: 300, tags: ['t', 'u'] }), 200);
    const { token } = granted.lease as { token: string };
    const other = await grantedToken(client, 'other');
    expect(await invalidateTags(client, ['u'])).toBe(0);
    detailsOf(await fill(client, 'k', '1', token), 409, 'LEASE_LOST');
    dataOf(await fill(client, 'other', '1', other), 201);
    await grantedToken(client, 'k');
  });

  test('of a lease request are not the tags of the value that is set', async () => {
    const client = connect();
    const granted = dataOf(await sendLease(client, { key: 'k', lease: 300, tags: ['t'] }), 200);
    const { token } = granted.lease as { token: string };
    dataOf(await setTagged(client, 'k', ['u'], { lease: token }), 201);
    expect(await tagsOf(client)).toEqual({ k: ['u'] });
    expect(await invalidateTags(client, ['t'])).toBe(0);
    expect(await invalidateTags(client, ['u'])).toBe(1);
  });

  test('of a lease request on a stale value remove it when one of them is invalidated', async () => {
    const client = connect();
    await setStale(client, 'k', '"old"');
    const granted = dataOf(await sendLease(client, { key: 'k', lease: 300, tags: ['t'] }), 200);
    const { token } = granted.lease as { token: string };
    expect(await invalidateTags(client, ['t'])).toBe(1);
    detailsOf(await fill(client, 'k', '1', token), 409, 'LEASE_LOST');
    expect(dataOf(await sendLease(client, { key: 'k' }), 200)).toMatchObject({ found: false });
  });

  test('of a batch of gets with a lease apply to the lease on each key, and are none if null', async () => {
    const client = connect();
    const request = (keys: string[], tags: unknown) =>
      batch(client, 'get', JSON.stringify({ keys, lease: 300, tags }));
    const tokens = new Map<string, string>();
    for (const [keys, tags] of [
      [
        ['a', 'b'],
        ['t', 't', 'u'],
      ],
      [['c'], null],
      [['d'], []],
    ] as const) {
      for (const item of itemsIn(await request([...keys], tags), 200)) {
        const { key, lease } = item as { key: string; lease: { token: string } };
        expect(lease.token).toMatch(TOKEN);
        tokens.set(key, lease.token);
      }
    }
    expect(await invalidateTags(client, ['t'])).toBe(0);
    const items = [...tokens].map(([key, lease]) => ({ key, value: 1, lease }));
    expect(itemsIn(await batch(client, 'set', JSON.stringify({ items })), 201)).toMatchObject([
      { key: 'a', status: 'lease_lost' },
      { key: 'b', status: 'lease_lost' },
      { key: 'c', status: 'set' },
      { key: 'd', status: 'set' },
    ]);
  });

  test('of a batch of gets without a lease have no effect', async () => {
    const body = '{"keys":["k"],"tags":["t"]}';
    expect(itemsIn(await batch(connect(), 'get', body), 200)).toEqual([{ key: 'k', found: false }]);
  });

  test('do not count as entries', async () => {
    const client = connect();
    for (const key of ['a', 'b']) dataOf(await setTagged(client, key, ['t', 'u', 'v']), 201);
    expect(dataOf(await client.send({ target: `/api/v1/cache/tenant/${client.tenant}` }), 200)).toMatchObject(
      {
        entries: 2,
        bytes: { sampled: 2, missing: 0 },
      },
    );
    expect(dataOf(await client.invalidate(), 200).count).toBe(2);
  });
});

/** Texts of lists of tags that are invalid, and the fields of the issues. */
const INVALID: [tags: string, ...fields: string[]][] = [
  ['"t"', 'tags'],
  ['1', 'tags'],
  ['true', 'tags'],
  ['{}', 'tags'],
  ['{"0":"t","length":1}', 'tags'],
  [JSON.stringify(Array.from({ length: 17 }, (_, n) => `t${n}`)), 'tags'],
  [JSON.stringify(Array(17).fill('t')), 'tags'],
  // One issue for the length, and none for each of the tags.
  [JSON.stringify(Array(10_000).fill(0)), 'tags'],
  ['[""]', 'tags.0'],
  ['["a","b","c",""]', 'tags.3'],
  [`["a","${'t'.repeat(257)}"]`, 'tags.1'],
  [`["${'é'.repeat(129)}"]`, 'tags.0'],
  ['["a\\u0000b"]', 'tags.0'],
  ['["\\u001f"]', 'tags.0'],
  ['["a","\\u007f"]', 'tags.1'],
  ['["a\\u0085"]', 'tags.0'],
  ['["a\\ud800"]', 'tags.0'],
  ['["\\udc00a"]', 'tags.0'],
  ['[1]', 'tags.0'],
  ['["a",null]', 'tags.1'],
  ['[["a"]]', 'tags.0'],
  ['[{"tag":"a"}]', 'tags.0'],
  ['["","a",1]', 'tags.0', 'tags.2'],
];

const MISSPELLED = ['tag', 'Tags', 'TAGS', 'tgas', 'tagss'];

/** The endpoints that take tags: each sends tags that are JSON text, under a name. */
const endpoints: [
  string,
  (client: Client, tags: string, name?: string) => ReturnType<Client['post']>,
  string,
][] = [
  ['a set', (client, tags, name = 'tags') => client.post(`{"key":"new","value":1,"${name}":${tags}}`), ''],
  [
    'a batch of sets',
    (client, tags, name = 'tags') =>
      batch(client, 'set', `{"items":[{"key":"new","value":1},{"key":"k","value":1,"${name}":${tags}}]}`),
    'items.1.',
  ],
  [
    'a lease request',
    (client, tags, name = 'tags') => sendLease(client, `{"key":"new","${name}":${tags}}`),
    '',
  ],
  [
    'a batch of gets',
    (client, tags, name = 'tags') => batch(client, 'get', `{"keys":["new"],"lease":300,"${name}":${tags}}`),
    '',
  ],
  ['an invalidation', (client, tags, name = 'tags') => client.invalidate(`{"${name}":${tags}}`), ''],
];

for (const [name, send, prefix] of endpoints) {
  describeOnBackends(`${name} with tags that are not valid`, {}, (connect) => {
    const expectRejected = async (answered: ReturnType<typeof send>, client: Client, fields: string[]) => {
      expectInvalid(await answered, ...fields.map((field) => `${prefix}${field}`));
      expect(await client.held(['k', 'new'])).toEqual(['k']);
      await grantedToken(client, 'new');
    };

    test.each(INVALID.map((each) => [each[0].slice(0, 60), ...each] as const))(
      'is rejected and changes nothing: %s',
      async (_, tags, ...fields) => {
        const client = connect();
        dataOf(await setTagged(client, 'k', ['t', 't0', 'a']), 201);
        await expectRejected(send(client, tags), client, fields);
      },
    );

    test.each(MISSPELLED)('is rejected with the misspelled member %s', async (member) => {
      const client = connect();
      dataOf(await setTagged(client, 'k', ['a']), 201);
      await expectRejected(send(client, '["a"]', member), client, [member]);
    });
  });
}

describeOnBackends('an invalidation', {}, (connect) => {
  test.each([
    ['{"tags":null}', 'tags'],
    ['{"tags":[]}', 'tags'],
    ['{"tags":["a"],"pattern":"*"}', 'tags'],
    ['{"tags":["none"],"pattern":"k"}', 'tags'],
    ['{"pattern":"","tags":["a"]}', 'pattern'],
    ['{"tags":[],"pattern":"*"}', 'tags'],
    ['{"tags":null,"pattern":null}', 'tags'],
    ['{"tags":null,"other":1}', 'tags'],
    ['{"key":"k"}', 'pattern'],
  ])('is rejected and removes nothing: %s', async (body, field) => {
    const client = connect();
    dataOf(await setTagged(client, 'k', ['a']), 201);
    expectInvalid(await client.invalidate(body), field);
    expect(await client.holds('k')).toBe(true);
  });

  test.each([
    '{"tags":["a"],"pattern":null}',
    '{"tags":["a"],"other":1}',
    '{"other":1,"tags":["a"],"tenant_id":null}',
  ])('by tags accepts a pattern of null and unknown members: %s', async (body) => {
    const client = connect();
    dataOf(await setTagged(client, 'k', ['a']), 201);
    dataOf(await client.set('l', '1'), 201);
    expect(dataOf(await client.invalidate(body), 200)).toEqual({
      tags: ['a'],
      status: 'invalidated',
      count: 1,
    });
    expect(await client.holds('l')).toBe(true);
  });
});
