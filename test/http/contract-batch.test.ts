import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { batch, itemsIn, setBatch } from './batch.ts';
import { type Client, dataOf, describeOnEveryBackend, expectInvalid, expectNoContent } from './client.ts';

const names = (count: number) => Array.from({ length: count }, (_, i) => `k:${i}`);
const keysBody = (keys: string[]) => JSON.stringify({ keys });

describeOnEveryBackend('a batch', {}, (connect) => {
  test('of sets answers each in the order asked', async () => {
    const answer = await setBatch(connect(), [
      ['b', '1', 60],
      ['a', '[2]'],
      ['c', 'null', 2_592_000],
    ]);
    expect(dataOf(answer, 201)).toEqual({
      items: [
        { key: 'b', status: 'set', ttl: 60 },
        { key: 'a', status: 'set', ttl: 300 },
        { key: 'c', status: 'set', ttl: 2_592_000 },
      ],
    });
  });

  test('of gets answers each as a get does, in the order asked', async () => {
    const client = connect();
    await setBatch(client, [
      ['a', '{"x":1}', 60],
      ['b', 'null', 90],
    ]);
    const answer = await batch(client, 'get', keysBody(['b', 'absent', 'a', 'b']));
    expect(dataOf(answer, 200)).toEqual({
      items: [
        { key: 'b', value: null, found: true, ttl: 90 },
        { key: 'absent', found: false },
        { key: 'a', value: { x: 1 }, found: true, ttl: 60 },
        { key: 'b', value: null, found: true, ttl: 90 },
      ],
    });
    for (const key of ['a', 'b']) {
      const alone = dataOf(await client.get(key), 200);
      expect((itemsIn(answer) as { key: string }[]).find((item) => item.key === key)).toEqual(alone);
    }
  });

  test('of deletes answers how many live entries went, each once', async () => {
    const client = connect();
    await setBatch(client, [
      ['a', '1'],
      ['b', '1'],
      ['c', '1'],
    ]);
    expect(dataOf(await batch(client, 'delete', keysBody(['a', 'a', 'absent', 'b'])), 200)).toEqual({
      count: 2,
    });
    expect(await client.held(['a', 'b', 'c'])).toEqual(['c']);
    expect(dataOf(await batch(client, 'delete', keysBody(['a', 'b'])), 200)).toEqual({ count: 0 });
  });

  test('lets the last of two sets of one key count, and answers both', async () => {
    const client = connect();
    const answer = await setBatch(client, [
      ['a', '1', 10],
      ['b', '2'],
      ['a', '3', 20],
    ]);
    expect(itemsIn(answer)).toMatchObject([
      { key: 'a', ttl: 10 },
      { key: 'b', ttl: 300 },
      { key: 'a', ttl: 20 },
    ]);
    expect(dataOf(await client.get('a'), 200)).toMatchObject({ value: 3, ttl: 20 });
  });

  test('does what single requests do to the same entries, and they to its', async () => {
    const client = connect();
    dataOf(await client.set('alone', '1.0'), 201);
    await setBatch(client, [['together', '2.0']]);
    const { text } = await batch(client, 'get', keysBody(['alone', 'together']));
    expect(text).toContain('"value":1.0,');
    expect(text).toContain('"value":2.0,');
    expectNoContent(await client.delete('together'));
    expect(dataOf(await client.invalidate({ pattern: 'alo*' }), 200).count).toBe(1);
    expect(itemsIn(await batch(client, 'get', keysBody(['alone', 'together'])))).toEqual([
      { key: 'alone', found: false },
      { key: 'together', found: false },
    ]);
  });

  test('takes keys that no path can carry', async () => {
    const client = connect();
    const keys = ['a/b', 'a?b', '%2F', '%', ' ', '..', '#', '{a}', '"', '\\', '日本 🎈', '__proto__', '*'];
    await setBatch(
      client,
      keys.map((key) => [key, JSON.stringify(`of ${key}`)]),
    );
    expect(itemsIn(await batch(client, 'get', keysBody(keys)))).toMatchObject(
      keys.map((key) => ({ key, found: true, value: `of ${key}` })),
    );
    expect(dataOf(await batch(client, 'delete', keysBody(keys)), 200).count).toBe(keys.length);
  });

  test('reaches nothing of another tenant', async () => {
    const [client, other] = [connect(), connect()];
    await setBatch(client, [['k', '1']]);
    expect(itemsIn(await batch(other, 'get', keysBody(['k'])))).toEqual([{ key: 'k', found: false }]);
    expect(dataOf(await batch(other, 'delete', keysBody(['k'])), 200).count).toBe(0);
    expect(await client.holds('k')).toBe(true);
  });

  test('may have a hundred keys of the greatest length, every byte of them escaped', async () => {
    const client = connect();
    const keys = names(100).map((name) => name.padEnd(1024, '"'));
    const escaped = keys.map(
      (key) => `"${[...key].map((c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`).join('')}"`,
    );
    const items = escaped.map((key) => `{"key":${key},"value":1,"ttl":2592000}`);
    expect(itemsIn(await batch(client, 'set', `{"items":[${items}]}`), 201)).toHaveLength(100);
    const found = itemsIn(await batch(client, 'get', `{"keys":[${escaped}]}`));
    expect(found).toEqual(keys.map((key) => ({ key, value: 1, found: true, ttl: 2_592_000 })));
    expect(dataOf(await batch(client, 'delete', `{"keys":[${escaped}]}`), 200).count).toBe(100);
  });
});

describeOnEveryBackend('a value in a batch', {}, (connect) => {
  const texts = [
    ...['1.0', '12345678901234567890', '-0.0', '1e400', 'null', 'true', '""', '[]', '{}', '0', '1', '99'],
    ...['{"a":1,"a":2}', '{"value":[{"value":1}],"key":"x","items":[]}', '{"__proto__":{"a":1}}'],
    ...[
      String.raw`"\"\\\/\b\f\n\r\t\u0041\ud800"`,
      '"ключ 鍵 🙂 e\u0301 \u2028"',
      '[ 1 ,\t{ "a" :\r\n[ ]  } ]',
    ],
    ...[
      '['.repeat(20_000) + ']'.repeat(20_000),
      `"${'x'.repeat(100_000)}"`,
      `[${'1.10,'.repeat(20_000)}0.0]`,
    ],
  ];

  test('comes back in the text that was sent, in a batch and alone', async () => {
    const client = connect();
    await setBatch(
      client,
      texts.map((text, index) => [`v:${index}`, text]),
    );
    const keys = texts.map((_, index) => `v:${index}`);
    const { text } = await batch(client, 'get', keysBody(keys));
    const expected = texts.map(
      (value, index) => `{"key":"v:${index}","value":${value},"found":true,"ttl":300}`,
    );
    // Not compared by the assertion itself, which would print a megabyte.
    expect(text.includes(`"data":{"items":[${expected}]}`)).toBe(true);
    for (const [index, value] of texts.entries()) {
      expect((await client.get(`v:${index}`)).text.includes(`"value":${value},`)).toBe(true);
    }
  });

  test('of any kind comes back as it was sent, beside any others', async () => {
    const client = connect();
    const space = fc.string({ unit: fc.constantFrom(' ', '\t', '\n'), maxLength: 2 });
    const value = fc
      .tuple(fc.jsonValue({ stringUnit: 'binary' }), space)
      .map(([json, space]) => JSON.stringify(json, null, space));
    await fc.assert(
      fc.asyncProperty(fc.array(value, { minLength: 1, maxLength: 20 }), async (values) => {
        await setBatch(
          client,
          values.map((text, index) => [`k:${index}`, text]),
        );
        const { text } = await batch(client, 'get', keysBody(names(values.length)));
        const expected = values.map((each, i) => `{"key":"k:${i}","value":${each},"found":true,"ttl":300}`);
        expect(text).toContain(`"items":[${expected}]`);
      }),
      { numRuns: 30 },
    );
  });

  test.each([
    ['anywhere in its item', '{"value":1.0,"ttl":60,"key":"k"}'],
    ['under a name with escapes', String.raw`{"\u0076alue":1.0,"k\u0065y":"k"}`],
    ['beside members that are not known', '{"a":{"value":2},"key":"k","value":1.0,"b":[{"value":3}]}'],
    ['after one of the same name', '{"key":"k","value":{"a":[2]},"value":1.0}'],
    ['with white space around it', '{ "key" : "k" , "value" :\n\t1.0\r\n}'],
  ])('may stand %s', async (_, item) => {
    const client = connect();
    const body = `{"value":7,"items":[ ${item} , {"key":"other","value":[8]}],"others":[{"value":9}]}`;
    dataOf(await batch(client, 'set', body), 201);
    expect((await client.get('k')).text).toContain('"value":1.0,');
    expect((await client.get('other')).text).toContain('"value":[8],');
  });

  test('of the last list of items counts, like any other member that is named twice', async () => {
    const client = connect();
    const list = (value: string) => `"items":[{"key":"k","value":${value}}]`;
    dataOf(await batch(client, 'set', `{${list('1.0')},${list('2.0')}}`), 201);
    expect((await client.get('k')).text).toContain('"value":2.0,');
  });
});

describeOnEveryBackend('what is wrong in a batch', {}, (connect) => {
  const valid = '{"key":"fine","value":1}';
  const expectNothingSet = async (client: Client) => {
    expect(await client.holds('fine')).toBe(false);
    expect(dataOf(await client.invalidate(), 200).count).toBe(0);
  };

  test.each([
    ['no items', '{}', ['items']],
    ['items that are no list', '{"items":{"0":{"key":"k","value":1}}}', ['items']],
    ['an empty list', '{"items":[]}', ['items']],
    ['an item that is no object', `{"items":[${valid},1,"k",null]}`, ['items.1', 'items.2', 'items.3']],
    ['an item that is a list', `{"items":[${valid},[{"value":1}]]}`, ['items.1']],
    ['an item without a value', `{"items":[${valid},{"key":"k"}]}`, ['items.1.value']],
    [
      'an item with nothing right',
      `{"items":[${valid},{"key":"","ttl":0}]}`,
      ['items.1.key', 'items.1.ttl', 'items.1.value'],
    ],
    ['a key that is no string', `{"items":[${valid},{"key":1,"value":1}]}`, ['items.1.key']],
    ['a key that is too long', `{"items":[${valid},{"key":"${'k'.repeat(1025)}","value":1}]}`, ['items.1.key']],
    ['a value that is no JSON', `{"items":[${valid},{"key":"k","value":[1,]}]}`, ['items.1.value']],
    ['a value of nothing', `{"items":[${valid},{"key":"k","value":}]}`, ['items.1.value']],
    ['a value that is no JSON, before one that is', `{"items":[{"key":"fine","value":tru,"value":1}]}`, ['body']],
    ['a problem in every item', `{"items":[${Array(100).fill('{"key":"","value":1}')}]}`, names(100).map((_, i) => `items.${i}.key`)],
    ['a list that does not end', `{"items":[${valid}`, ['body']],
    ['a list that ends twice', `{"items":[${valid}]]}`, ['body']],
  ])('in one of sets, %s, is named, and nothing is set', async (_, body, fields) => {
    const client = connect();
    expectInvalid(await batch(client, 'set', body), ...fields);
    await expectNothingSet(client);
  }); // biome-ignore format: a list to look at as a whole

  describe.each(['get', 'delete'] as const)('in one of %ss', (kind) => {
    test.each([
      ['no keys', '{}', ['keys']],
      ['keys that are no list', '{"keys":"k"}', ['keys']],
      ['an empty list', '{"keys":[]}', ['keys']],
      ['keys that are no strings', '{"keys":["fine",1,null,["k"]]}', ['keys.1', 'keys.2', 'keys.3']],
      ['keys of the wrong length', `{"keys":["","fine","${'é'.repeat(513)}"]}`, ['keys.0', 'keys.2']],
      ['a control character', '{"keys":["a\\u0007b"]}', ['keys.0']],
      ['half a character', '{"keys":["\\ud800"]}', ['keys.0']],
    ])('%s, is named', async (_, body, fields) => {
      const client = connect();
      dataOf(await client.set('fine', '1'), 201);
      expectInvalid(await batch(client, kind, body), ...fields);
      expect(await client.holds('fine')).toBe(true);
    });
  });
});
