import { expect, test } from 'vitest';
import { leftOf } from '../conformance/backends.ts';
import { API, type Client, dataOf, describeOnBackends, expectInvalid } from './client.ts';

const touch = (client: Client, body: string) => client.send({ method: 'POST', target: `${API}/touch`, body });

describeOnBackends('a touch', {}, (connect) => {
  test('makes the TTL of an entry longer or shorter, and neither returns nor changes its value', async () => {
    const client = connect();
    await client.set('k', '12345678901234567890', 60);
    for (const ttl of [3600, 30]) {
      expect(dataOf(await touch(client, `{"key":"k","ttl":${ttl}}`), 200)).toEqual({
        key: 'k',
        found: true,
        ttl,
      });
      const got = await client.get('k');
      expect(dataOf(got, 200).ttl).toEqual(leftOf(ttl));
      expect(got.text).toContain('"value":12345678901234567890,');
    }
  });

  test('of a key without an entry is a miss with status 200', async () => {
    const client = connect();
    const miss = { key: 'absent', found: false };
    expect(dataOf(await touch(client, '{"key":"absent","ttl":60}'), 200)).toEqual(miss);
    expect(dataOf(await client.get('absent'), 200)).toEqual(miss);
  });

  test.each([
    ['no TTL', '{"key":"k"}', 'ttl'],
    ['a TTL of null', '{"key":"k","ttl":null}', 'ttl'],
    ['a TTL of 0', '{"key":"k","ttl":0}', 'ttl'],
    ['a fraction of a second', '{"key":"k","ttl":1.5}', 'ttl'],
    ['a TTL above the maximum', '{"key":"k","ttl":2592001}', 'ttl'],
    ['no key', '{"ttl":60}', 'key'],
    ['a misspelled TTL', '{"key":"k","ttl":60,"TTL":30}', 'TTL'],
  ])('with %s is rejected and changes nothing', async (_, body, field) => {
    const client = connect();
    await client.set('k', '1', 100);
    expectInvalid(await touch(client, body), field);
    expect(dataOf(await client.get('k'), 200).ttl).toEqual(leftOf(100));
  });
});
