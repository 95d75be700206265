import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { leftOf, newTenant } from '../conformance/backends.ts';
import { type StartedService, startWithBackendAway } from '../openapi/service-states.ts';
import { batch, itemsIn } from './batch.ts';
import {
  API,
  Client,
  dataOf,
  describedRequest,
  describeOnBackends,
  detailsOf,
  expectInvalid,
} from './client.ts';
import { namesOf, pageOf, sendList, walk } from './keys.ts';
import { grantedToken, setStale } from './lease.ts';

/** Sets items in batches. */
async function setAll(client: Client, items: { key: string; tags?: string[] }[], size = 50): Promise<void> {
  for (let from = 0; from < items.length; from += size) {
    const part = items.slice(from, from + size).map((item) => ({ value: 1, ...item }));
    itemsIn(await batch(client, 'set', JSON.stringify({ items: part })), 201);
  }
}

const inByteOrder = (keys: string[]) =>
  keys
    .map((key) => Buffer.from(key))
    .sort(Buffer.compare)
    .map(String);

const numbered = (count: number) =>
  Array.from({ length: count }, (_, index) => ({ key: `k:${String(index).padStart(4, '0')}` }));

describeOnBackends('a list of keys', {}, (connect) => {
  test('of a tenant without entries is empty', async () => {
    expect(await pageOf(connect())).toEqual({ keys: [], cursor: null });
  });

  test('has the TTL and the tags of each key, and whether it is stale, but neither deleted nor leased keys', async () => {
    const client = connect();
    dataOf(await client.post('{"key":"fresh","value":1,"ttl":100,"tags":["b","a","b"]}'), 201);
    dataOf(await client.post('{"key":"deleted","value":1}'), 201);
    await client.delete('deleted');
    await setStale(client, 'stale', '1');
    await grantedToken(client, 'leased');
    expect(await pageOf(client)).toEqual({
      keys: [
        { key: 'fresh', ttl: leftOf(100), stale: false, tags: ['b', 'a'] },
        { key: 'stale', ttl: 0, stale: true, tags: [] },
      ],
      cursor: null,
    });
  });

  test('is in the order of bytes, and in pages of any limit has each key once', async () => {
    const keys = [
      'b',
      'a/b?c',
      'a?',
      '?',
      '/',
      '🔑',
      '\uffff',
      'é',
      'ключ',
      'a b',
      '%41',
      '"',
      '\\',
      '*',
      '..',
      '漢',
    ];
    const client = connect();
    await setAll(
      client,
      keys.map((key) => ({ key })),
    );
    for (const limit of ['1', '2', '7', '16', '1000', '0001']) {
      expect(namesOf(await walk(client, { limit })), `pages of ${limit}`).toEqual(inByteOrder(keys));
    }
  });

  test('has pages of 100 keys by default, and a cursor until the last one', async () => {
    const client = connect();
    await setAll(client, numbered(201));
    const first = await pageOf(client);
    expect(first).toMatchObject({ keys: { length: 100 }, cursor: expect.any(String) });
    const second = await pageOf(client, { cursor: first.cursor as string });
    const third = await pageOf(client, { cursor: second.cursor as string });
    expect(third).toMatchObject({ keys: { length: 1 }, cursor: null });
    expect(namesOf([...first.keys, ...second.keys, ...third.keys])).toEqual(
      numbered(201).map(({ key }) => key),
    );
    expect(await pageOf(client, { limit: '1000' })).toMatchObject({ keys: { length: 201 }, cursor: null });
  });

  test('can change the limit from page to page', async () => {
    const client = connect();
    await setAll(client, numbered(5));
    const { cursor } = await pageOf(client, { limit: '2' });
    const rest = await pageOf(client, { limit: '1000', cursor: cursor as string });
    expect(namesOf(rest.keys)).toEqual(['k:0002', 'k:0003', 'k:0004']);
  });

  test('has only the keys that match the pattern, that have the tag, or both', async () => {
    const client = connect();
    await setAll(client, [
      { key: 'a:1', tags: ['doc:1', '*'] },
      { key: 'a:2', tags: ['doc:2'] },
      { key: 'b:1', tags: ['doc:1'] },
      { key: 'b:2' },
      { key: 'doc:1' },
    ]);
    const names = async (query: Record<string, string>) =>
      namesOf(await walk(client, { limit: '1', ...query }));
    expect(await names({ pattern: 'a:*' })).toEqual(['a:1', 'a:2']);
    expect(await names({ pattern: '[^a]:?' })).toEqual(['b:1', 'b:2']);
    expect(await names({ tag: 'doc:1' })).toEqual(['a:1', 'b:1']);
    expect(await names({ tag: 'doc:1', pattern: 'b*' })).toEqual(['b:1']);
    expect(await names({ tag: '*' })).toEqual(['a:1']);
    expect(await names({ tag: 'doc:*' })).toEqual([]);
    expect(await names({ tag: 'doc' })).toEqual([]);
    expect(await names({ pattern: 'none*' })).toEqual([]);
  });

  test('reads a plus in the query as a space, and percent-encoded characters', async () => {
    const client = connect();
    await setAll(client, [{ key: 'a b', tags: ['ключ 1'] }, { key: 'a+b' }]);
    expect(namesOf((await pageOf(client, 'pattern=a+b')).keys)).toEqual(['a b']);
    expect(namesOf((await pageOf(client, 'pattern=a%2Bb')).keys)).toEqual(['a+b']);
    expect(namesOf((await pageOf(client, { tag: 'ключ 1' })).keys)).toEqual(['a b']);
  });

  test('is not a get of the key keys', async () => {
    const client = connect();
    dataOf(await client.set('keys', '1'), 201);
    expect(dataOf(await client.send({ target: `${API}/keys` }), 200)).toMatchObject({
      key: 'keys',
      found: true,
    });
  });

  test('has each key that exists throughout the walk exactly once, whatever is set and removed between pages', async () => {
    const client = connect();
    const stable = numbered(60).map(({ key }) => key);
    await setAll(client, numbered(60));
    const listed: string[] = [];
    let cursor: string | null | undefined;
    for (let page = 0; cursor !== null; page++) {
      const data = await pageOf(client, { limit: '7', ...(cursor !== undefined && { cursor }) });
      listed.push(...namesOf(data.keys));
      cursor = data.cursor;
      await setAll(client, [{ key: `k:00${page}x` }, { key: stable[page] as string }, { key: `l:${page}` }]);
      await client.delete(`l:${page - 1}`);
    }
    expect(listed).toEqual(inByteOrder([...new Set(listed)]));
    expect(listed.filter((key) => /^k:\d{4}$/.test(key))).toEqual(stable);
  });

  test('ends a page early if the response would exceed what a function can return, and has each key once', async () => {
    const client = connect();
    const items = Array.from({ length: 400 }, (_, index) => ({
      key: '"'.repeat(1020) + String(index).padStart(4, '0'),
      tags: Array.from({ length: 16 }, (_, tag) => '"'.repeat(254) + String(tag).padStart(2, '0')),
    }));
    await setAll(client, items);
    const answer = await sendList(client, { limit: '1000' });
    const { keys, cursor } = dataOf(answer, 200);
    // Lambda's limit. A function returns its response as a string inside of JSON.
    expect(Buffer.byteLength(JSON.stringify(answer.text))).toBeLessThan(6 * 1024 ** 2);
    expect((keys as unknown[]).length).toBeGreaterThan(200);
    expect(cursor).toEqual(expect.any(String));
    expect(namesOf(await walk(client, { limit: '1000' }))).toEqual(items.map(({ key }) => key));
  });

  test('is answered to HEAD without a body', async () => {
    const client = connect();
    const target = `${API}/tenant/${client.tenant}/keys`;
    expect(await client.send({ method: 'HEAD', target })).toMatchObject({ status: 200, text: '' });
    expect(await client.send({ method: 'HEAD', target: `${target}?limit=0` })).toMatchObject({ status: 400 });
  });

  test.each(['POST', 'DELETE', 'PUT'])('is answered to %s with 405', async (method) => {
    const client = connect();
    const answer = await client.send({ method, target: `${API}/tenant/${client.tenant}/keys` });
    expect(detailsOf(answer, 405, 'METHOD_NOT_ALLOWED')).toEqual({ allowed: ['GET', 'HEAD'] });
  });

  test('of another tenant is rejected with 403', async () => {
    const [mine, theirs] = [connect(), connect()];
    for (const client of [mine, theirs]) dataOf(await client.set(client.tenant, '1'), 201);
    for (const named of [theirs.tenant, mine.tenant.toUpperCase(), `${mine.tenant}0`, '*']) {
      detailsOf(await sendList(mine, {}, named), 403, 'TENANT_MISMATCH');
    }
    expect(namesOf(await walk(mine))).toEqual([mine.tenant]);
  });
});

describeOnBackends('the query of a list of keys', {}, (connect) => {
  test.each([
    '0',
    '1001',
    'abc',
    '1.5',
    '-1',
    '',
    '1e2',
    '0x10',
    ' 1',
    '+1',
    '1,2',
    '1000000000000',
    '٣',
    'null',
  ])('is rejected with the limit %j', async (limit) => {
    expectInvalid(await sendList(connect(), { limit }), 'limit');
  });

  test.each<[string, string]>([
    ['pattern=', 'pattern'],
    ['pattern', 'pattern'],
    ['tag=', 'tag'],
    ['tag', 'tag'],
    ['cursor=', 'cursor'],
    ['cursor', 'cursor'],
    ['limit', 'limit'],
    ['tag=a%00b', 'tag'],
    ['tag=a%C2%85b', 'tag'],
    ['tag=%ED%A0%80', 'tag'],
    ['pattern=%FF', 'pattern'],
    ['pattern=%', 'pattern'],
    ['pattern=a&pattern=b', 'pattern'],
    ['tag=a&tag=b', 'tag'],
    ['limit=1&limit=2', 'limit'],
    ['patern=a*', 'patern'],
    ['Pattern=a*', 'Pattern'],
    ['tags=a', 'tags'],
    ['TAG=a', 'TAG'],
    ['Limit=1', 'Limit'],
    ['limits=1', 'limits'],
    ['cursr=a', 'cursr'],
  ])('is rejected: %s', async (query, field) => {
    expectInvalid(await sendList(connect(), query), field);
  });

  test.each([
    ['pattern', 'p'.repeat(1025)],
    ['tag', 't'.repeat(257)],
    ['tag', 'é'.repeat(129)],
  ])('is rejected with a %s that is too long', async (name, text) => {
    expectInvalid(await sendList(connect(), { [name]: text }), name);
  });

  test('is rejected with an issue for each invalid parameter', async () => {
    expectInvalid(await sendList(connect(), { pattern: '', tag: '', limit: '0' }), 'pattern', 'tag', 'limit');
  });

  test('may have parameters that the service does not know', async () => {
    const client = connect();
    dataOf(await client.set('k', '1'), 201);
    expect(namesOf((await pageOf(client, 'other=1&&=&page=2')).keys)).toEqual(['k']);
  });

  test('accepts a pattern and a tag of the maximum length with a cursor', async () => {
    const client = connect();
    const tag = '漢'.repeat(85);
    const keys = [1, 2].map((n) => `${'漢'.repeat(341)}${n}`);
    await setAll(
      client,
      keys.map((key) => ({ key, tags: [tag] })),
    );
    const query = { pattern: `${'漢'.repeat(341)}*`, tag, limit: '1' };
    expect(namesOf(await walk(client, query))).toEqual(keys);
  });
});

describeOnBackends('the cursor of a list of keys', {}, (connect) => {
  /** The cursor after the first of three keys. */
  async function cursorOf(client: Client, query: Record<string, string> = {}): Promise<string> {
    await setAll(
      client,
      ['a:1', 'a:2', 'a:3'].map((key) => ({ key, tags: ['x', 'y'] })),
    );
    const { cursor } = await pageOf(client, { limit: '1', ...query });
    expect(cursor).toEqual(expect.any(String));
    return cursor as string;
  }

  test('is rejected if it was altered', async () => {
    const client = connect();
    const cursor = await cursorOf(client);
    const other = (character: string) => (character === 'A' ? 'B' : 'A');
    const altered = Array.from(
      cursor,
      (character, index) => cursor.slice(0, index) + other(character) + cursor.slice(index + 1),
    );
    const broken = [
      `${cursor}A`,
      cursor.slice(0, -1),
      `${cursor}=`,
      `${cursor} `,
      'a:1',
      '*',
      cursor.repeat(2),
    ];
    for (const each of [...altered, ...broken]) {
      expectInvalid(await sendList(client, { cursor: each }), 'cursor');
    }
    expect(namesOf((await pageOf(client, { cursor })).keys)).toEqual(['a:2', 'a:3']);
  });

  test('is rejected with another pattern, another tag, or another tenant', async () => {
    const client = connect();
    const [all, matching, tagged] = [
      await cursorOf(client),
      await cursorOf(client, { pattern: 'a:*' }),
      await cursorOf(client, { tag: 'x' }),
    ];
    const queries: Record<string, string>[] = [
      { cursor: all, pattern: 'a:*' },
      { cursor: all, tag: 'x' },
      { cursor: matching },
      { cursor: matching, pattern: 'a:**' },
      { cursor: tagged },
      { cursor: tagged, tag: 'y' },
      { cursor: tagged, tag: 'x', pattern: 'a:*' },
    ];
    for (const query of queries) expectInvalid(await sendList(client, query), 'cursor');
    expectInvalid(await sendList(connect(), { cursor: all }), 'cursor');
  });

  test('is valid with the same pattern, also if that is the default, and after its key was removed', async () => {
    const client = connect();
    const cursor = await cursorOf(client);
    await client.delete('a:1');
    expect(namesOf((await pageOf(client, { cursor, pattern: '*' })).keys)).toEqual(['a:2', 'a:3']);
    await client.clear();
    expect(await pageOf(client, { cursor })).toEqual({ keys: [], cursor: null });
  });
});

describe('a list of keys of a service whose backend is down', () => {
  let service: StartedService;
  beforeAll(async () => {
    service = await startWithBackendAway();
  });
  afterAll(() => service.stop());

  test('is answered with 503, and an invalid one with 400', async () => {
    const client = new Client(service);
    detailsOf(await sendList(client), 503, 'BACKEND_UNAVAILABLE');
    expectInvalid(await sendList(client, { limit: '0' }), 'limit');
  });

  test('requires a tenant', async () => {
    const tenant = newTenant();
    const answer = await describedRequest(service.port, {
      target: `${API}/tenant/${tenant}/keys`,
      headers: [],
    });
    detailsOf(answer, 401, 'MISSING_TENANT_ID');
  });
});
