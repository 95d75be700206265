import { expect, test } from 'vitest';
import { leftOf } from '../conformance/backends.ts';
import { batch, itemsIn } from './batch.ts';
import { type Client, dataOf, describeOnBackends, detailsOf } from './client.ts';
import { fill, grantedToken, setStale, TOKEN, UNKNOWN_TOKEN } from './lease.ts';

const MIB = 1024 ** 2;

const granted = (ttl: number) => ({ token: expect.stringMatching(TOKEN), ttl });
const getBatch = (client: Client, keys: string[], lease: unknown = 300) =>
  batch(client, 'get', JSON.stringify({ keys, lease }));

/** Sends a batch of sets. Values are JSON texts, which are sent unchanged. */
const fillBatch = (client: Client, items: [key: string, value: string, token?: string][]) => {
  const texts = items.map(([key, value, token]) => {
    const last = token === undefined ? '' : `,"lease":"${token}"`;
    return `{"key":"${key}","value":${value}${last}}`;
  });
  return batch(client, 'set', `{"items":[${texts}]}`);
};

describeOnBackends('a batch of gets with a lease', {}, (connect) => {
  test('returns the result of a lease request for each key, in order', async () => {
    const client = connect();
    await client.set('fresh', '"new"', 100);
    await setStale(client, 'stale', '1.0');
    await grantedToken(client, 'held');
    const answer = await getBatch(client, ['missing', 'stale', 'held', 'fresh'], 60);
    expect(itemsIn(answer, 200)).toEqual([
      { key: 'missing', found: false, lease: granted(60) },
      { key: 'stale', value: 1, found: true, ttl: 0, stale: true, lease: granted(60) },
      { key: 'held', found: false, retry_after_ms: expect.any(Number) },
      { key: 'fresh', value: 'new', found: true, ttl: leftOf(100), stale: false },
    ]);
    expect(answer.text).toContain('"value":1.0,');
    const again = itemsIn(await getBatch(client, ['stale', 'missing']), 200);
    expect(again).toEqual([
      { key: 'stale', value: 1, found: true, ttl: 0, stale: true },
      { key: 'missing', found: false, retry_after_ms: expect.any(Number) },
    ]);
  });

  test('of keys that are all fresh grants nothing', async () => {
    const client = connect();
    for (const key of ['a', 'b']) await client.set(key, '1', 100);
    const hit = { value: 1, found: true, ttl: leftOf(100), stale: false };
    expect(itemsIn(await getBatch(client, ['b', 'a']), 200)).toEqual([
      { key: 'b', ...hit },
      { key: 'a', ...hit },
    ]);
  });

  test('of a repeated missing key returns the same lease twice', async () => {
    const client = connect();
    const [first, second, other] = itemsIn(await getBatch(client, ['k', 'k', 'l']), 200);
    expect(first).toEqual({ key: 'k', found: false, lease: granted(300) });
    expect(second).toEqual(first);
    expect(other).toEqual({ key: 'l', found: false, lease: granted(300) });
    const { token } = (first as { lease: { token: string } }).lease;
    dataOf(await fill(client, 'k', '1', token), 201);
  });

  test('of a repeated stale key returns the value and the same lease twice', async () => {
    const client = connect();
    await setStale(client, 'k', '1');
    const [first, second] = itemsIn(await getBatch(client, ['k', 'k']), 200);
    expect(first).toEqual({ key: 'k', value: 1, found: true, ttl: 0, stale: true, lease: granted(300) });
    expect(second).toEqual(first);
  });

  test('of a hundred keys grants a lease on each', async () => {
    const keys = Array.from({ length: 100 }, (_, index) => `k:${index}`);
    const items = itemsIn(await getBatch(connect(), keys), 200) as { lease: { token: string } }[];
    expect(new Set(items.map(({ lease }) => lease.token)).size).toBe(100);
  });

  test('of null is a plain batch of gets', async () => {
    const miss = { key: 'k', found: false };
    expect(itemsIn(await getBatch(connect(), ['k'], null), 200)).toEqual([miss]);
  });

  test('whose values exceed 5 MiB is rejected with the number of leading keys that fit, and grants no lease', async () => {
    const client = connect();
    const large = `"${'x'.repeat(3 * MIB - 2)}"`;
    for (const key of ['a', 'b']) dataOf(await client.set(key, large), 201);
    const answer = await getBatch(client, ['missing', 'a', 'b', 'last']);
    expect(detailsOf(answer, 413, 'PAYLOAD_TOO_LARGE')).toEqual({ max_bytes: 5 * MIB, fitting: 2 });
    for (const key of ['missing', 'last']) await grantedToken(client, key);
  });

  test('whose values have many quotes is rejected at a lower limit, and grants no lease', async () => {
    const client = connect();
    const quotes = `[${'"",'.repeat(699_050)}""]`;
    for (const key of ['a', 'b']) dataOf(await client.set(key, quotes), 201);
    const answer = await getBatch(client, ['missing', 'a', 'b']);
    expect(detailsOf(answer, 413, 'PAYLOAD_TOO_LARGE')).toEqual({ max_bytes: 5 * MIB, fitting: 2 });
    await grantedToken(client, 'missing');
  });

  test('whose stale values exceed 5 MiB is rejected, and grants no lease on them', async () => {
    const client = connect();
    const large = `"${'x'.repeat(3 * MIB - 2)}"`;
    for (const key of ['a', 'b']) await setStale(client, key, large);
    const answer = await getBatch(client, ['a', 'b']);
    expect(detailsOf(answer, 413, 'PAYLOAD_TOO_LARGE')).toEqual({ max_bytes: 5 * MIB, fitting: 1 });
    for (const key of ['a', 'b']) await grantedToken(client, key);
  });
});

describeOnBackends('a batch of sets with leases', {}, (connect) => {
  test('sets the items whose leases have not ended, and reports the others as lease_lost', async () => {
    const client = connect();
    const kept = await grantedToken(client, 'kept');
    const lost = await grantedToken(client, 'lost');
    await client.delete('lost');
    const answer = await fillBatch(client, [
      ['lost', '1', lost],
      ['kept', '2', kept],
      ['plain', '3'],
      ['unknown', '4', UNKNOWN_TOKEN],
    ]);
    expect(itemsIn(answer, 201)).toEqual([
      { key: 'lost', status: 'lease_lost' },
      { key: 'kept', status: 'set', ttl: 300 },
      { key: 'plain', status: 'set', ttl: 300 },
      { key: 'unknown', status: 'lease_lost' },
    ]);
    expect(await client.held(['lost', 'kept', 'plain', 'unknown'])).toEqual(['kept', 'plain']);
  });

  test('whose leases have all ended is answered with 201 and sets nothing', async () => {
    const client = connect();
    const token = await grantedToken(client, 'k');
    await client.clear();
    expect(itemsIn(await fillBatch(client, [['k', '1', token]]), 201)).toEqual([
      { key: 'k', status: 'lease_lost' },
    ]);
    expect(await client.holds('k')).toBe(false);
  });

  test('that is sent again is answered like the first time and changes nothing', async () => {
    const client = connect();
    const token = await grantedToken(client, 'k');
    for (const value of ['"first"', '"second"']) {
      const items = itemsIn(await fillBatch(client, [['k', value, token]]), 201);
      expect(items).toEqual([{ key: 'k', status: 'set', ttl: 300 }]);
    }
    expect(dataOf(await client.get('k'), 200).value).toBe('first');
  });

  test('returns values as they were set, and graces apply to each item', async () => {
    const client = connect();
    const token = await grantedToken(client, 'a');
    const body = `{"items":[{"key":"a","value":1.0,"ttl":1,"grace":1000,"lease":"${token}"},{"key":"b","value":2.0,"ttl":1}]}`;
    itemsIn(await batch(client, 'set', body), 201);
    await expect.poll(() => client.held(['a', 'b'])).toEqual([]);
    const answer = await getBatch(client, ['a', 'b']);
    expect(itemsIn(answer, 200)).toMatchObject([{ stale: true, value: 1 }, { found: false }]);
    expect(answer.text).toContain('"value":1.0,');
  });
});
