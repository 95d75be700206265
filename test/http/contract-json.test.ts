import { expect, test } from 'vitest';
import { type Client, dataOf, describeOnBackends, expectInvalid } from './client.ts';

/** Values that are not JSON, for bodies that are valid JSON apart from the value. */
const notJson = [
  ...['', ' ', 'undefined', 'NaN', 'Infinity', 'nul', 'nulll', 'True', "'a'", 'a', '1 2', '"a" "b"', '1:2'],
  ...['01', '+1', '-', '1.', '.5', '1e', '0x10', '1_000', '- 1', '-01', '1.0.0', '--1'],
  ...['"a', '"\\x"', '"\\u12"', '"\\u00g0"', '"a\nb"', '"\u0000"', '"\t"', '"\\"', '"\\\\\\"'],
  ...['[', ']', '[1', '[1,]', '[,]', '[1 2]', '[1}', '{]', '[}', '[[]', '[]]', '[(1)]'],
  ...['{', '{"a"}', '{"a":}', '{"a":1,}', '{a:1}', "{'a':1}", '{1:1}', '{"a":1 "b":2}', '{"a" 1}', '{"a":1]'],
  ...[
    '/**/1',
    '1//',
    '1;',
    '#1',
    '\u00a01',
    '1\u00a0',
    '1\ufeff',
    '\u20281',
    '1\u2029',
    '1\v',
    '1\f',
    '1\u3000',
  ],
  ...['1,', ',1', '1,,"x":2', '1}', '1},{"a":1', '{"a":[1,{"b":tru}]}'],
];

/** Bodies that are not valid JSON outside the value. */
const broken = [
  ...[
    '{',
    '}',
    '{"key":"k","value":1',
    '"key":"k","value":1}',
    '{"key":"k","value":1}}',
    '{"key":"k","value":1},',
  ],
  ...['{"key":"k","value":1,}', '{,"key":"k","value":1}', '{"key":"k",,"value":1}', '{"key":"k" "value":1}'],
  ...['{"key":"k","value" 1}', '{"key":"k","value"}', "{'key':'k','value':1}", '{key:"k",value:1}', 'x'],
  ...['{"key":"k","value":1}x', '{"key":"k","value":1}{"key":"k","value":1}', '{"key":"k","value":1}]'],
  ...['{"value":1,"key":"k}', '{"key":"k\n","value":1}', '{"key":"\\k","value":1}', '{"key":k,"value":1}'],
  ...[
    '{"key":"k","value":1,"ttl":060}',
    '{"key":"k","value":1,"other":undefined}',
    '{"key":"k","value":1,"o":[}',
  ],
  ...[
    '\ufeff\ufeff{"key":"k","value":1}',
    '{"key":"k","value":1}\ufeff',
    '\u00a0{"key":"k","value":1}',
    '{"key":"k","value":1}\u00a0',
    '{"value":1;"key":"k"}',
  ],
  ...[
    '{"key":"k","value":[,],"value":1}',
    '{"key":"k","value":1,"value":[,]}',
    '{"key":"k","\\value":2,"value":1}',
  ],
];

describeOnBackends('a body that is not valid JSON is rejected and sets nothing', {}, (connect) => {
  const expectRejected = async (client: Client, body: string) => {
    expect((await client.post(body)).status, body.slice(0, 200)).toBe(400);
    expect(await client.holds('k'), body.slice(0, 200)).toBe(false);
  };

  test.each([
    ['with an invalid value as the last member', (value: string) => `{"key":"k","value":${value}}`],
    ['with an invalid value as the first member', (value: string) => `{"value":${value},"key":"k"}`],
  ])('%s', async (_, bodyOf) => {
    const client = connect();
    for (const value of notJson) await expectRejected(client, bodyOf(value));
  });

  test('with an error outside the value', async () => {
    const client = connect();
    for (const body of broken) await expectRejected(client, body);
  });

  test('with 10,000 or 100,000 brackets that are not closed', async () => {
    const client = connect();
    for (const open of ['[', '{"a":', '[{"a":']) {
      await expectRejected(client, `{"key":"k","value":${open.repeat(100_000)}}`);
      await expectRejected(client, `{"key":"k","value":${open.repeat(100_000)}`);
      await expectRejected(client, `{"key":"k","value":1,"other":${open.repeat(10_000)}`);
      await expectRejected(client, open.repeat(10_000));
    }
    // The service still works.
    dataOf(await client.set('k', '1'), 201);
  });

  test('with the field body or value in the response', async () => {
    const client = connect();
    expectInvalid(await client.post('{"key":"k","value":1,}'), 'body');
    expectInvalid(await client.post('{"key":"k","value":[1,]}'), 'value');
  });
});
