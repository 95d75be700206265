import { describe, expect, test } from 'vitest';
import { batch } from './batch.ts';
import { type Client, dataOf, describeOnEveryBackend, expectInvalid } from './client.ts';

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
    ['a problem in every item', `{"items":[${Array(100).fill('{"key":"","value":1}')}]}`, Array.from({ length: 100 }, (_, i) => `items.${i}.key`)],
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
