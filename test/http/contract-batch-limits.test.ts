import { describe, expect, test } from 'vitest';
import { batch, itemsIn, keysBody, setBatch } from './batch.ts';
import { type Client, dataOf, describeOnBackends, detailsOf, expectInvalid } from './client.ts';

const MIB = 1024 ** 2;
const MOST = 5 * MIB;

/** A JSON string of `bytes` bytes, including its quotes. */
const text = (bytes: number, filling = 'x') =>
  `"${filling.repeat((bytes - 2) / Buffer.byteLength(filling))}"`;
const names = (count: number) => Array.from({ length: count }, (_, i) => `k:${i}`);

/** Sets the values by single requests, so that no limit of a batch applies. */
async function setAlone(client: Client, values: string[]): Promise<string[]> {
  const keys = names(values.length);
  for (const [index, value] of values.entries()) dataOf(await client.set(keys[index] as string, value), 201);
  return keys;
}

describeOnBackends('a batch', {}, (connect) => {
  test('is accepted with 100 keys or items and rejected with 101', async () => {
    const client = connect();
    const items = (count: number) => names(count).map((key) => [key, '1'] as const);
    expect(itemsIn(await setBatch(client, items(100)), 201)).toHaveLength(100);
    expect(itemsIn(await batch(client, 'get', keysBody(names(100))))).toHaveLength(100);
    expectInvalid(await batch(client, 'get', keysBody(names(101))), 'keys');
    expectInvalid(await batch(client, 'delete', keysBody(names(101))), 'keys');
    expect((await client.held(['k:0', 'k:100'])).length).toBe(1);
    expect(dataOf(await batch(client, 'delete', keysBody(names(100))), 200).count).toBe(100);
    expectInvalid(await setBatch(client, items(101)), 'items');
    expect(dataOf(await client.invalidate(), 200).count).toBe(0);
  });

  test('is rejected with 101 times the same key', async () => {
    expectInvalid(await batch(connect(), 'get', keysBody(Array(101).fill('k'))), 'keys');
  });

  test('of 100,000 invalid keys is rejected with one issue', async () => {
    for (const kind of ['get', 'delete'] as const) {
      const answer = await batch(connect(), kind, `{"keys":[${Array(100_000).fill('0')}]}`);
      expectInvalid(answer, 'keys');
      expect(answer.text.length).toBeLessThan(1000);
    }
  });

  test('is accepted with 640 KiB outside the values and rejected with more', async () => {
    const client = connect();
    const filled = (bytes: number) => {
      const body = '{"keys":["k"],"other":""}';
      return body.replace('""', text(bytes - body.length + 2));
    };
    dataOf(await batch(client, 'get', filled(640 * 1024)), 200);
    const details = detailsOf(await batch(client, 'get', filled(640 * 1024 + 1)), 413, 'PAYLOAD_TOO_LARGE');
    expect(details).toEqual({ max_bytes: 640 * 1024 });
    const items = `{"items":[{"key":"k","value":1}],"other":${text(641 * 1024)}}`;
    detailsOf(await batch(client, 'set', items), 413, 'PAYLOAD_TOO_LARGE');
    expect(await client.holds('k')).toBe(false);
  });

  test('of sets is accepted with 5 MiB of values and rejected with more, and then sets nothing', async () => {
    const client = connect();
    const fifth = text(MIB);
    const five = names(5).map((key) => [key, fifth] as const);
    expect(itemsIn(await setBatch(client, five), 201)).toHaveLength(5);
    expect(itemsIn(await batch(client, 'get', keysBody(names(5))))).toHaveLength(5);
    await client.clear();
    const answer = await setBatch(client, [...five, ['small', '1']]);
    const details = detailsOf(answer, 413, 'PAYLOAD_TOO_LARGE');
    expect(details).toEqual({ max_bytes: MOST, fitting: 5 });
    expect(await client.held([...names(5), 'small'])).toEqual([]);
  });

  test('of gets whose values exceed 5 MiB is rejected with the number of leading keys that fit', async () => {
    const client = connect();
    const keys = await setAlone(client, [text(2 * MIB), '1', text(2 * MIB), text(MIB), text(MIB)]);
    const asked = ['absent', ...keys];
    const details = detailsOf(await batch(client, 'get', keysBody(asked)), 413, 'PAYLOAD_TOO_LARGE');
    expect(details).toEqual({ max_bytes: MOST, fitting: 4 });
    const rest = [asked.slice(0, 4), asked.slice(4)].map((part) => batch(client, 'get', keysBody(part)));
    const found = (await Promise.all(rest)).flatMap((answer) => itemsIn(answer) as { found: boolean }[]);
    expect(found.map((item) => item.found)).toEqual([false, true, true, true, true, true]);
  });

  test('of gets has a lower limit for values with many quotes, because Lambda escapes each quote', async () => {
    const client = connect();
    const keys = await setAlone(client, Array(5).fill(`[${'"",'.repeat(349_524)}""]`));
    const details = detailsOf(await batch(client, 'get', keysBody(keys)), 413, 'PAYLOAD_TOO_LARGE');
    expect(details).toEqual({ max_bytes: MOST, fitting: 3 });
    expect(itemsIn(await batch(client, 'get', keysBody(keys.slice(0, 3))))).toHaveLength(3);
  });

  test('is accepted with a single value of the maximum size', async () => {
    const client = connect();
    const quotes = `[${'"",'.repeat(1_747_624)}""]`;
    expect(MOST - quotes.length).toBeLessThan(10);
    dataOf(await setBatch(client, [['k:0', quotes]]), 201);
    const { text: found } = await batch(client, 'get', keysBody(['absent', 'k:0']));
    expect(found.includes(quotes)).toBe(true);
    const answer = await batch(client, 'get', keysBody(['k:0', 'absent', 'k:0']));
    expect(detailsOf(answer, 413, 'PAYLOAD_TOO_LARGE').fitting).toBe(2);
  });
});

describeOnBackends('a value in a batch', { MAX_VALUE_BYTES: '100' }, (connect) => {
  test('is accepted at the limit of a value, even if all values together exceed the limit', async () => {
    const client = connect();
    const items = names(100).map((key) => [key, text(100)] as const);
    expect(itemsIn(await setBatch(client, items), 201)).toHaveLength(100);
    expect(itemsIn(await batch(client, 'get', keysBody(names(100))))).toHaveLength(100);
  });

  test('that is too large is rejected, and nothing of its batch is set', async () => {
    const client = connect();
    const answer = await setBatch(client, [
      ['k:0', '1'],
      ['k:1', text(101)],
      ['k:2', '1'],
    ]);
    expect(detailsOf(answer, 413, 'PAYLOAD_TOO_LARGE')).toEqual({ max_bytes: 100 });
    expect(await client.held(names(3))).toEqual([]);
  });
});

describe('with MAX_VALUE_BYTES above 5 MiB', () => {
  describeOnBackends('a batch', { MAX_VALUE_BYTES: String(8 * MIB) }, (connect) => {
    test('of gets is accepted with values up to MAX_VALUE_BYTES and rejected with more', async () => {
      const client = connect();
      const keys = await setAlone(client, [text(6 * MIB), text(2 * MIB), '1']);
      expect(itemsIn(await batch(client, 'get', keysBody(keys.slice(0, 2))))).toHaveLength(2);
      const answer = await batch(client, 'get', keysBody(keys));
      expect(detailsOf(answer, 413, 'PAYLOAD_TOO_LARGE')).toEqual({ max_bytes: 8 * MIB, fitting: 2 });
    });
  });
});
