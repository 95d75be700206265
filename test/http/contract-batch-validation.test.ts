import { describe, expect, test } from 'vitest';
import { batch } from './batch.ts';
import { type Client, dataOf, describeOnBackends, expectInvalid } from './client.ts';

describeOnBackends('a batch that is not valid', {}, (connect) => {
  const valid = '{"key":"fine","value":1}';
  const expectNothingSet = async (client: Client) => {
    expect(await client.holds('fine')).toBe(false);
    expect(dataOf(await client.invalidate(), 200).count).toBe(0);
  };

  test.each([
    ['no items', '{}', ['items']],
    ['items that are not an array', '{"items":{"0":{"key":"k","value":1}}}', ['items']],
    ['an empty array', '{"items":[]}', ['items']],
    ['items that are not objects', `{"items":[${valid},1,"k",null]}`, ['items.1', 'items.2', 'items.3']],
    ['an item that is an array', `{"items":[${valid},[{"value":1}]]}`, ['items.1']],
    ['an item without a value', `{"items":[${valid},{"key":"k"}]}`, ['items.1.value']],
    [
      'an item with an invalid key and TTL and no value',
      `{"items":[${valid},{"key":"","ttl":0}]}`,
      ['items.1.key', 'items.1.ttl', 'items.1.value'],
    ],
    ['a key that is not a string', `{"items":[${valid},{"key":1,"value":1}]}`, ['items.1.key']],
    ['a key that is too long', `{"items":[${valid},{"key":"${'k'.repeat(1025)}","value":1}]}`, ['items.1.key']],
    ['a value that is not JSON', `{"items":[${valid},{"key":"k","value":[1,]}]}`, ['items.1.value']],
    ['an empty value', `{"items":[${valid},{"key":"k","value":}]}`, ['items.1.value']],
    ['a value that is not JSON before a second value that is', `{"items":[{"key":"fine","value":tru,"value":1}]}`, ['body']],
    ['an invalid key in every item', `{"items":[${Array(100).fill('{"key":"","value":1}')}]}`, Array.from({ length: 100 }, (_, i) => `items.${i}.key`)],
    ['an array that is not closed', `{"items":[${valid}`, ['body']],
    ['an array that is closed twice', `{"items":[${valid}]]}`, ['body']],
  ])('of sets with %s is rejected with the invalid fields, and nothing is set', async (_, body, fields) => {
    const client = connect();
    expectInvalid(await batch(client, 'set', body), ...fields);
    await expectNothingSet(client);
  }); // biome-ignore format: a list to look at as a whole

  describe.each(['get', 'delete'] as const)('of %ss', (kind) => {
    test.each([
      ['no keys', '{}', ['keys']],
      ['keys that are not an array', '{"keys":"k"}', ['keys']],
      ['an empty array', '{"keys":[]}', ['keys']],
      ['keys that are not strings', '{"keys":["fine",1,null,["k"]]}', ['keys.1', 'keys.2', 'keys.3']],
      [
        'an empty key and a key that is too long',
        `{"keys":["","fine","${'é'.repeat(513)}"]}`,
        ['keys.0', 'keys.2'],
      ],
      ['a control character in a key', '{"keys":["a\\u0007b"]}', ['keys.0']],
      ['half of a surrogate pair in a key', '{"keys":["\\ud800"]}', ['keys.0']],
    ])('with %s is rejected with the invalid fields, and no entry is removed', async (_, body, fields) => {
      const client = connect();
      dataOf(await client.set('fine', '1'), 201);
      expectInvalid(await batch(client, kind, body), ...fields);
      expect(await client.holds('fine')).toBe(true);
    });
  });
});
