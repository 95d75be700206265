import { expect, test } from 'vitest';
import { dataOf, describeOnBackends, detailsOf, valueText } from './client.ts';

const LIMIT = 100;
const quoted = (text: string) => `"${text}"`;

describeOnBackends('a value with MAX_VALUE_BYTES set', { MAX_VALUE_BYTES: String(LIMIT) }, (connect) => {
  test.each([
    ['letters', quoted('x'.repeat(98)), 0],
    ['letters of two bytes', quoted('é'.repeat(49)), 0],
    ['letters of four bytes', quoted(`${'🔑'.repeat(24)}xx`), 0],
    ['escapes, each of six bytes', quoted(`${'\\u00e9'.repeat(16)}xx`), 0],
    ['digits', '1'.repeat(100), 0],
    ['white space inside the value', `[${' '.repeat(98)}]`, 0],
    ['letters, and white space around the value', ` \n${quoted('x'.repeat(98))}\t `, 4],
  ])('is accepted at the limit and rejected with one byte more: %s', async (_, text, around) => {
    expect(Buffer.byteLength(text)).toBe(LIMIT + around);
    const client = connect();
    dataOf(await client.set('k', text), 201);
    expect(await client.holds('k')).toBe(true);
    const longer = text.startsWith('[') ? text.replace(' ', '  ') : text.replace(/[x1é]/, '$&0');
    detailsOf(await client.set('longer', longer), 413, 'PAYLOAD_TOO_LARGE');
    expect(await client.holds('longer')).toBe(false);
  });

  test('that is too large does not replace the existing value', async () => {
    const client = connect();
    dataOf(await client.set('k', '"old"'), 201);
    detailsOf(await client.set('k', quoted('x'.repeat(99))), 413, 'PAYLOAD_TOO_LARGE');
    expect(dataOf(await client.get('k'), 200)).toMatchObject({ value: 'old' });
  });

  test('is accepted below the limit even if the whole body exceeds the limit', async () => {
    const client = connect();
    dataOf(await client.post(`{"key":"${'k'.repeat(200)}","value":1,"other":"${'x'.repeat(200)}"}`), 201);
  });
});

describeOnBackends('a value with default settings', {}, (connect) => {
  test('is accepted with 5 MiB and rejected with one byte more', async () => {
    const client = connect();
    const longest = quoted('é'.repeat((5 * 1024 ** 2 - 2) / 2));
    dataOf(await client.set('k', longest), 201);
    expect(valueText(await client.get('k'), longest.length) === longest).toBe(true);
    detailsOf(await client.set('longer', longest.replace('é', 'éx')), 413, 'PAYLOAD_TOO_LARGE');
    expect(await client.holds('longer')).toBe(false);
  });
});
