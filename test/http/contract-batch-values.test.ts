import fc from 'fast-check';
import { expect, test } from 'vitest';
import { numRuns } from '../support/long-run.ts';
import { batch, keysBody, setBatch } from './batch.ts';
import { dataOf, describeOnBackends } from './client.ts';
import type { RawResponse } from './gateway-raw.ts';

/** The response with the TTL of 300 s that was set, because a busy machine may read the entries seconds later. */
const asSet = ({ text }: RawResponse): string =>
  text.replaceAll(/"found":true,"ttl":2\d\d\}/g, '"found":true,"ttl":300}');

describeOnBackends('a value in a batch', {}, (connect) => {
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

  test('is returned verbatim by a batch of gets and by a get', async () => {
    const client = connect();
    await setBatch(
      client,
      texts.map((text, index) => [`v:${index}`, text]),
    );
    const keys = texts.map((_, index) => `v:${index}`);
    const text = asSet(await batch(client, 'get', keysBody(keys)));
    const expected = texts.map(
      (value, index) => `{"key":"v:${index}","value":${value},"found":true,"ttl":300}`,
    );
    // A failed toContain on the texts would print a megabyte.
    expect(text.includes(`"data":{"items":[${expected}]}`)).toBe(true);
    for (const [index, value] of texts.entries()) {
      expect((await client.get(`v:${index}`)).text.includes(`"value":${value},`)).toBe(true);
    }
  });

  test('is returned verbatim for batches of random values', async () => {
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
        const text = asSet(await batch(client, 'get', keysBody(values.map((_, index) => `k:${index}`))));
        const expected = values.map((each, i) => `{"key":"k:${i}","value":${each},"found":true,"ttl":300}`);
        expect(text).toContain(`"items":[${expected}]`);
      }),
      { numRuns: numRuns(30) },
    );
  });

  test.each([
    ['anywhere in its item', '{"value":1.0,"ttl":60,"key":"k"}'],
    ['under a name with escapes', String.raw`{"\u0076alue":1.0,"k\u0065y":"k"}`],
    ['beside unknown members', '{"a":{"value":2},"key":"k","value":1.0,"b":[{"value":3}]}'],
    ['after a member of the same name', '{"key":"k","value":{"a":[2]},"value":1.0}'],
    ['with white space around it', '{ "key" : "k" , "value" :\n\t1.0\r\n}'],
  ])('is found %s', async (_, item) => {
    const client = connect();
    const body = `{"value":7,"items":[ ${item} , {"key":"other","value":[8]}],"others":[{"value":9}]}`;
    dataOf(await batch(client, 'set', body), 201);
    expect((await client.get('k')).text).toContain('"value":1.0,');
    expect((await client.get('other')).text).toContain('"value":[8],');
  });

  test('is that of the last items member if the body contains two', async () => {
    const client = connect();
    const list = (value: string) => `"items":[{"key":"k","value":${value}}]`;
    dataOf(await batch(client, 'set', `{${list('1.0')},${list('2.0')}}`), 201);
    expect((await client.get('k')).text).toContain('"value":2.0,');
  });
});
