import fc from 'fast-check';
import { expect, test } from 'vitest';
import { anyCharacter } from '../support/characters.ts';
import { numRuns } from '../support/long-run.ts';
import { type Client, dataOf, describeOnBackends, expectInvalid, valueText } from './client.ts';

const nested = (open: string, close: string, levels: number) => open.repeat(levels) + close.repeat(levels);

/** JSON texts. JSON.parse and JSON.stringify would change most of them. */
const values: [name: string, text: string][] = [
  ...[
    '1.0',
    '12345678901234567890',
    '-0.0',
    '-0',
    '1e400',
    '-1E+400',
    '1e-400',
    '0.10',
    '1E2',
    '123456789.123456789123456789',
    'null',
    'true',
    'false',
    '0',
    '""',
    '[]',
    '{}',
    '{"a":1,"a":2,"a":1}',
    '{"b":1,"a":2,"1":3,"":4}',
    '{"__proto__":{"a":1},"constructor":{"prototype":{}}}',
    '{"key":"other","value":2,"ttl":-1,"found":false}',
    String.raw`"\"\\\/\b\f\n\r\t"`,
    String.raw`"a\/b"`,
    String.raw`"\u0041\u00e9\u00E9\u0000\u007f\u2028"`,
    String.raw`"\ud800"`,
    String.raw`"\udc00\ud800"`,
    String.raw`"\ud83d\ude00"`,
    String.raw`{"\u0061":"\\\\\\\"","value\"":"}],\\"}`,
    '"ключ 鍵 مفتاح 🙂 e\u0301"',
    '"\ufeff \u2028\u2029\ufffd\uffff\u{10ffff}\u007f\u0085"',
    '[ 1 ,\t{ "a" :\r\n[ ]  } , "  " ]',
    '{ "a"\n:\n1 }',
    '"{{x}} %s %25 \' <script> $& $1"',
  ].map((text): [string, string] => [JSON.stringify(text), text]),
  ['100,000 nested arrays', nested('[', ']', 100_000)],
  ['100,000 nested objects', `${nested('{"a":', '', 100_000)}1${'}'.repeat(100_000)}`],
  ['1 MiB of text', `"${'x'.repeat(1024 ** 2 - 2)}"`],
  ['1 MiB of numbers that JSON.parse would change', `[${'1.10,'.repeat(209_715)}0.0]`],
  ['1 MiB of Chinese characters', `"${'漢'.repeat(349_524)}"`],
  ['1 MiB of escapes', `"${'\\u00e9'.repeat(174_762)}"`],
];

/** Gets the entry. @returns the JSON text of its value */
async function stored(client: Client, key: string, length: number): Promise<string> {
  const answer = await client.get(key);
  expect(dataOf(answer, 200).found).toBe(true);
  return valueText(answer, length);
}

describeOnBackends('a value', {}, (connect) => {
  test.each(values)('is returned verbatim: %s', async (_, text) => {
    const client = connect();
    dataOf(await client.set('k', text), 201);
    const back = await stored(client, 'k', text.length);
    // A failed toBe on the texts would print a megabyte.
    expect(back === text, `${back.slice(0, 200)} (${back.length} characters)`).toBe(true);
  });

  test('is returned verbatim for random values and random keys', async () => {
    const client = connect();
    const key = fc
      .string({ unit: anyCharacter, minLength: 1, maxLength: 100 })
      .filter((text) => !/\p{Cc}/u.test(text));
    const space = fc.string({ unit: fc.constantFrom(' ', '\t', '\n', '\r'), maxLength: 3 });
    await fc.assert(
      fc.asyncProperty(key, fc.jsonValue({ stringUnit: 'binary' }), space, async (key, value, space) => {
        const text = JSON.stringify(value, null, space);
        dataOf(await client.set(key, text), 201);
        expect(await stored(client, key, text.length)).toBe(text);
      }),
      { numRuns: numRuns(50) },
    );
  });

  test('with white space around it in the request is returned unchanged inside', async () => {
    const client = connect();
    dataOf(await client.post('\r\n{ "value"\t: \n [ 1.0 ] \t\r\n , "key" : "k" } \n'), 201);
    expect((await stored(client, 'k', 7)).trim()).toBe('[ 1.0 ]');
  });

  test('is found anywhere in the body and under an escaped member name', async () => {
    const client = connect();
    const bodies = [
      '{"value":1.0,"ttl":60,"key":"k"}',
      '{"key":"k","value":1.0}',
      '{"ttl":60,"value":1.0,"key":"k"}',
      String.raw`{"\u0076alue":1.0,"k\u0065y":"k"}`,
      String.raw`{"note":"\"value\":2,","key":"k","value":1.0}`,
      '{"note":{"value":2,"key":"other"},"key":"k","value":1.0,"notes":["value",{"value":3}]}',
    ];
    for (const body of bodies) {
      dataOf(await client.post(body), 201);
      expect(await stored(client, 'k', 3)).toBe('1.0');
      await client.delete('k');
    }
  });

  test('is required', async () => {
    const client = connect();
    for (const body of ['{"key":"k"}', '{"key":"k","data":1}', '{"key":"k","data":{"value":1}}']) {
      expectInvalid(await client.post(body), 'value');
    }
    expect(await client.holds('k')).toBe(false);
  });
});
