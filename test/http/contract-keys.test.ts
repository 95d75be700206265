import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { inBatches } from '../conformance/backends.ts';
import { anyCharacter } from '../support/characters.ts';
import { numRuns } from '../support/long-run.ts';
import { API, type Client, dataOf, describeOnBackends, expectInvalid, expectNoContent } from './client.ts';

const byPath = (key: string) => `${API}/${encodeURIComponent(key)}`;

/** Keys that a path cannot contain, and keys that contain the syntax of some layer. */
const hardKeys = [
  ...['/', '//', 'a/b', '/a', 'a/', '?', 'a?b=c', '?key=a', '%', '%%', '%41', '%2F', '%2541', '%zz', '100%'],
  ...[
    '*',
    'a*',
    '[a]',
    '[^a]',
    '\\',
    '\\*',
    '{',
    '}',
    '{}',
    '{a}',
    '}{',
    '#',
    '#a',
    'a#b',
    ' ',
    '  ',
    ' a',
    'a ',
    'a b',
  ],
  ...[
    '+',
    'a+b',
    '&',
    'a&key=b',
    '=',
    'a=b',
    ';',
    ',',
    'a,b',
    ':',
    '@',
    '!',
    '$',
    "'",
    '"',
    '`',
    '<',
    '>',
    '|',
    '^',
    '~',
  ],
  ...[
    '.',
    '..',
    '../a',
    './a',
    '__proto__',
    'constructor',
    'toString',
    'hasOwnProperty',
    'null',
    'undefined',
    '0',
    '-0',
  ],
  ...[
    'key',
    'tenant',
    'tenant/a',
    'invalidate',
    'batch',
    'health',
    'gen',
    'exp',
    'lex',
    'e:a',
    ':gen',
    '{cache:a:0}:gen',
  ],
  ...[
    'ключ',
    '鍵',
    'κλειδί',
    'مفتاح',
    'מפתח',
    'कुंजी',
    'กุญแจ',
    '열쇠',
    '🔑',
    '👩‍👩‍👧‍👦',
    '🇺🇳',
    'é',
    'e\u0301',
    'ﬁ',
    'fi',
    'ß',
    'İ',
  ],
  ...[
    '\u00a0',
    '\u00ad',
    '\u200b',
    '\u200e',
    '\u202e',
    '\u2028',
    '\u2029',
    '\ufeff',
    '\ufffd',
    '\ufffe',
    '\uffff',
    '\u{10ffff}',
  ],
];

/** All control characters: C0, DEL and C1. */
const controls = Array.from({ length: 0xa0 }, (_, code) => String.fromCharCode(code)).filter(
  (character) => character < ' ' || character > '~',
);

describeOnBackends('a key', {}, (connect) => {
  test('with special characters is set, read and deleted without affecting another key', async () => {
    const client = connect();
    await inBatches(hardKeys, async (key) => {
      expect(dataOf(await client.set(key, JSON.stringify(`of ${key}`)), 201).key).toBe(key);
    });
    // All entries exist at the same time, so that two keys that the store confuses would share a value.
    await inBatches(hardKeys, async (key) => {
      expect(dataOf(await client.get(key), 200)).toMatchObject({ key, found: true, value: `of ${key}` });
    });
    for (const [index, key] of hardKeys.entries()) {
      expectNoContent(await client.delete(key));
      expect(dataOf(await client.get(key), 200)).toEqual({ key, found: false });
      const next = hardKeys[index + 1];
      if (next !== undefined) expect(await client.holds(next)).toBe(true);
    }
    expect(dataOf(await client.invalidate(), 200).count).toBe(0);
  });

  test('with special characters that a path can contain is read and deleted by path', async () => {
    const client = connect();
    const keys = hardKeys.filter((key) => !/[/?]/.test(key) && !/^\.+$/.test(key));
    await inBatches(keys, async (key) => dataOf(await client.set(key, JSON.stringify(`of ${key}`)), 201));
    for (const key of keys) {
      const target = byPath(key);
      expect(dataOf(await client.send({ target }), 200)).toMatchObject({ key, value: `of ${key}` });
      expectNoContent(await client.send({ method: 'DELETE', target }));
      expect(await client.holds(key)).toBe(false);
    }
  });

  test('of random text is a hit, and another key is a miss', async () => {
    const client = connect();
    const text = fc
      .string({ unit: anyCharacter, minLength: 1, maxLength: 256 })
      .filter((key) => !/\p{Cc}/u.test(key));
    await fc.assert(
      fc.asyncProperty(text, text, async (key, other) => {
        fc.pre(key !== other);
        dataOf(await client.set(key, '1'), 201);
        expect(dataOf(await client.get(key), 200)).toMatchObject({ key, found: true });
        expect(dataOf(await client.get(other), 200)).toEqual({ key: other, found: false });
        expectNoContent(await client.delete(key));
      }),
      { numRuns: numRuns(30) },
    );
  });

  describe.each([
    ['in the body of a set', (client: Client, key: string) => client.set(key, '1')],
    ['in the query of a get', (client: Client, key: string) => client.get(key)],
    ['in the path of a get', (client: Client, key: string) => client.send({ target: byPath(key) })],
    ['in the query of a delete', (client: Client, key: string) => client.delete(key)],
  ])('%s', (_, send) => {
    test.each([
      ['one byte', 'k'],
      ['1024 bytes', 'k'.repeat(1024)],
      ['512 characters of two bytes', 'é'.repeat(512)],
      ['341 characters of three bytes and one character of one byte', `${'漢'.repeat(341)}k`],
      ['256 characters of four bytes', '🔑'.repeat(256)],
    ])('is accepted with %s', async (_, key) => {
      expect((await send(connect(), key)).status).toBeLessThan(300);
    });

    test.each([
      ['1025 bytes', 'k'.repeat(1025)],
      ['512 characters of two bytes and one character of one byte', `${'é'.repeat(512)}k`],
      ['342 characters of three bytes', '漢'.repeat(342)],
    ])('is rejected with %s', async (_, key) => {
      expectInvalid(await send(connect(), key), 'key');
    });

    test('is rejected with any control character', async () => {
      const client = connect();
      await inBatches(controls, async (control) => {
        expectInvalid(await send(client, `a${control}b`), 'key');
      });
    });
  });

  test('of the maximum length is distinct from a key that differs in the last byte only', async () => {
    const client = connect();
    const start = 'k'.repeat(1023);
    dataOf(await client.set(`${start}a`, '1'), 201);
    expect([await client.holds(`${start}a`), await client.holds(`${start}b`)]).toEqual([true, false]);
  });
});
