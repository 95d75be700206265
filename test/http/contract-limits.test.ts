import { expect, test } from 'vitest';
import { dataOf, describeOnEveryBackend, detailsOf, valueText } from './client.ts';

const LIMIT = 100;
const quoted = (text: string) => `"${text}"`;

describeOnEveryBackend('a value', { MAX_VALUE_BYTES: String(LIMIT) }, (connect) => {
  test.each([
    ['letters', quoted('x'.repeat(98)), 0],
    ['letters of two bytes', quoted('é'.repeat(49)), 0],
    ['letters of four bytes', quoted(`${'🔑'.repeat(24)}xx`), 0],
    ['escapes, each of six bytes', quoted(`${'\\u00e9'.repeat(16)}xx`), 0],
    ['digits', '1'.repeat(100), 0],
    ['white space inside of it', `[${' '.repeat(98)}]`, 0],
    ['letters, and white space around them', ` \n${quoted('x'.repeat(98))}\t `, 4],
  ])('may have as many bytes as are allowed, but not one more: %s', async (_, text, around) => {
    expect(Buffer.byteLength(text)).toBe(LIMIT + around);
    const client = connect();
    dataOf(await client.set('k', text), 201);
    expect(await client.holds('k')).toBe(true);
    const longer = text.startsWith('[') ? text.replace(' ', '  ') : text.replace(/[x1é]/, '$&0');
    detailsOf(await client.set('longer', longer), 413, 'PAYLOAD_TOO_LARGE');
    expect(await client.holds('longer')).toBe(false);
  });

  test('that is too large leaves the one before it in place', async () => {
    const client = connect();
    dataOf(await client.set('k', '"old"'), 201);
    detailsOf(await client.set('k', quoted('x'.repeat(99))), 413, 'PAYLOAD_TOO_LARGE');
    expect(dataOf(await client.get('k'), 200)).toMatchObject({ value: 'old' });
  });

  test('counts by itself, whatever stands beside it', async () => {
    const client = connect();
    dataOf(await client.post(`{"key":"${'k'.repeat(200)}","value":1,"other":"${'x'.repeat(200)}"}`), 201);
  });
});

describeOnEveryBackend('where nothing else is set, a value', {}, (connect) => {
  test('may have 5 MiB, but not one byte more', async () => {
    const client = connect();
    const longest = quoted('é'.repeat((5 * 1024 ** 2 - 2) / 2));
    dataOf(await client.set('k', longest), 201);
    expect(valueText(await client.get('k'), longest.length) === longest).toBe(true);
    detailsOf(await client.set('longer', longest.replace('é', 'éx')), 413, 'PAYLOAD_TOO_LARGE');
    expect(await client.holds('longer')).toBe(false);
  });
});
