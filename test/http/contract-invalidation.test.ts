import { describe, expect, test } from 'vitest';
import { API, type Client, dataOf, describeOnBackends, expectInvalid, expectNoContent } from './client.ts';

/** Sets the keys concurrently. */
async function setAll(client: Client, keys: string[]): Promise<void> {
  for (const answer of await Promise.all(keys.map((key) => client.set(key, '1')))) dataOf(answer, 201);
}

const keys = [
  ...[
    'user:1',
    'user:2',
    'user:10',
    'user:a',
    'User:1',
    'users',
    'xuser:1',
    'user:',
    'a',
    'b',
    'c',
    '^',
    '-',
  ],
  ...[
    'a*b',
    'a?b',
    'a[b]',
    'a\\b',
    'axb',
    'a b',
    'a/b/c',
    '*',
    '?',
    '[',
    ']',
    '\\',
    '{user:1}',
    'ключ',
    '漢字',
    '🔑',
  ],
];

/** Patterns, each with the keys that it matches. */
const patterns: [pattern: string, matching: string[]][] = [
  ['user:1', ['user:1']],
  ['user:*', ['user:1', 'user:2', 'user:10', 'user:a', 'user:']],
  ['user:?', ['user:1', 'user:2', 'user:a']],
  ['user:??', ['user:10']],
  ['*:1', ['user:1', 'User:1', 'xuser:1']],
  ['*user:1*', ['user:1', 'user:10', 'xuser:1', '{user:1}']],
  ['user:[12]', ['user:1', 'user:2']],
  ['user:[0-9]', ['user:1', 'user:2']],
  ['user:[^0-9]', ['user:a']],
  ['user:[0-9a-f]*', ['user:1', 'user:2', 'user:10', 'user:a']],
  ['[Uu]ser:1', ['user:1', 'User:1']],
  ['[a-c]', ['a', 'b', 'c']],
  ['[^a-c]', ['^', '-', '*', '?', '[', ']', '\\']],
  [String.raw`[\^]`, ['^']],
  [String.raw`[\-]`, ['-']],
  [String.raw`a\*b`, ['a*b']],
  [String.raw`a\?b`, ['a?b']],
  [String.raw`a\[b\]`, ['a[b]']],
  [String.raw`a\\b`, ['a\\b']],
  [String.raw`\u\s\e\r\s`, ['users']],
  ['a?b', ['a*b', 'a?b', 'a\\b', 'axb', 'a b']],
  ['a*b*c', ['a/b/c']],
  ['a/*', ['a/b/c']],
  ['{user:1}', ['{user:1}']],
  ['{user:1,user:2}', []],
  ['ключ', ['ключ']],
  ['к*ч', ['ключ']],
  ['漢*', ['漢字']],
  ['user', []],
  ['ser:1', []],
  ['USER:*', []],
  ['nothing*', []],
  ['.*', []],
  ['%', []],
];

describeOnBackends('an invalidation', {}, (connect) => {
  test.each(patterns)(
    'by the pattern %s removes exactly the keys that match as a whole',
    async (pattern, matching) => {
      const client = connect();
      await setAll(client, keys);
      const data = dataOf(await client.invalidate({ pattern }), 200);
      expect(data).toEqual({ pattern, status: 'invalidated', count: matching.length });
      expect(await client.held(keys)).toEqual(keys.filter((key) => !matching.includes(key)));
    },
  );

  test.each([
    '{}',
    '{"tenant_id":null}',
    '{"pattern":null}',
    '{"pattern":null,"glob":"zzz:*"}',
    '{"pattern":"*"}',
    '{"pattern":"**"}',
    '{"pattern":"***","other":[1]}',
  ])('with the body %s removes all entries of the tenant', async (body) => {
    const client = connect();
    await setAll(client, keys);
    const { pattern, ...data } = dataOf(await client.invalidate(body), 200);
    expect(data).toEqual({ status: 'invalidated', count: keys.length });
    expect(pattern).toBeTypeOf('string');
    expect(await client.held(keys)).toEqual([]);
  });

  test('counts only live entries', async () => {
    const client = connect();
    await setAll(client, ['a1', 'a2', 'a3', 'a4', 'b1']);
    dataOf(await client.set('a1', '"again"'), 201);
    expectNoContent(await client.delete('a2'));
    expect(dataOf(await client.invalidate({ pattern: 'a*' }), 200).count).toBe(3);
    expect(dataOf(await client.invalidate({ pattern: 'a*' }), 200).count).toBe(0);
    expect(dataOf(await client.invalidate({ pattern: 'a1' }), 200).count).toBe(0);
    expect(dataOf(await client.invalidate(), 200).count).toBe(1);
    expect(dataOf(await client.invalidate(), 200).count).toBe(0);
  });

  test('lets keys be set again', async () => {
    const client = connect();
    await setAll(client, ['a1', 'b1']);
    dataOf(await client.invalidate({ pattern: 'a*' }), 200);
    dataOf(await client.set('a1', '2'), 201);
    expect(dataOf(await client.get('a1'), 200)).toMatchObject({ found: true, value: 2 });
    dataOf(await client.invalidate(), 200);
    dataOf(await client.set('a1', '3'), 201);
    expect(dataOf(await client.get('a1'), 200)).toMatchObject({ found: true, value: 3 });
  });

  test("accepts the caller's own tenant_id", async () => {
    const client = connect();
    await setAll(client, ['a1', 'b1']);
    const data = dataOf(await client.invalidate({ pattern: 'a*', tenant_id: client.tenant }), 200);
    expect(data.count).toBe(1);
    expect(dataOf(await client.invalidate({ tenant_id: client.tenant }), 200).count).toBe(1);
  });

  test('by a pattern with hundreds of stars returns the count', async () => {
    const client = connect();
    const key = 'a'.repeat(1024);
    await setAll(client, [key, 'b']);
    expect(dataOf(await client.invalidate({ pattern: `${'*a'.repeat(500)}b` }), 200).count).toBe(0);
    expect(dataOf(await client.invalidate({ pattern: '*a'.repeat(512) }), 200).count).toBe(1);
    expect(await client.held([key, 'b'])).toEqual(['b']);
  });

  describe('by a pattern', () => {
    test.each(['a'.repeat(1024), `${'a'.repeat(1023)}*`, 'é'.repeat(512), '*'.repeat(1024)])(
      'of 1024 bytes is accepted: %s',
      async (pattern) => {
        expect(dataOf(await connect().invalidate({ pattern }), 200)).toMatchObject({ pattern, count: 0 });
      },
    );

    test.each([
      ['empty', '""'],
      ['of 1025 bytes', JSON.stringify('a'.repeat(1025))],
      ['of 513 characters of two bytes', JSON.stringify('é'.repeat(513))],
      ['with half of a surrogate pair', String.raw`"\ud800*"`],
      ['that is a number', '1'],
      ['that is a boolean', 'true'],
      ['that is an array', '["*"]'],
      ['that is an object', '{"glob":"*"}'],
    ])('%s is rejected and removes nothing', async (_, pattern) => {
      const client = connect();
      await setAll(client, ['a']);
      expectInvalid(await client.invalidate(`{"pattern":${pattern}}`), 'pattern');
      expect(await client.holds('a')).toBe(true);
    });
  });
});

describeOnBackends("a clear of the caller's tenant", {}, (connect) => {
  test('removes all of its entries', async () => {
    const client = connect();
    await setAll(client, keys);
    expectNoContent(await client.clear());
    expect(await client.held(keys)).toEqual([]);
    expect(dataOf(await client.invalidate(), 200).count).toBe(0);
  });

  test('is answered with 204 if the tenant has no entries', async () => {
    const client = connect();
    expectNoContent(await client.clear());
    expectNoContent(await client.clear());
  });

  test('lets keys be set again', async () => {
    const client = connect();
    await setAll(client, ['a', 'b']);
    expectNoContent(await client.clear());
    dataOf(await client.set('a', '2'), 201);
    expect(dataOf(await client.get('a'), 200)).toMatchObject({ found: true, value: 2 });
    expect(await client.held(['a', 'b'])).toEqual(['a']);
  });

  test('accepts a percent-encoded tenant', async () => {
    const client = connect();
    await setAll(client, ['a']);
    const encoded = client.tenant.replaceAll('-', '%2D');
    expectNoContent(await client.send({ method: 'DELETE', target: `${API}/tenant/${encoded}` }));
    expect(await client.holds('a')).toBe(false);
  });
});
