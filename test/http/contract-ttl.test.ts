import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { type Client, dataOf, describeOnBackends, expectInvalid } from './client.ts';

const MAX = 30 * 24 * 3600;

/** Maximum difference between the clocks of two processes and the server on one machine. */
const CLOCK_ERROR_MS = 20;

describeOnBackends('a TTL', {}, (connect) => {
  const setWith = (client: Client, ttl: string) => client.post(`{"key":"k","value":1,"ttl":${ttl}}`);

  test.each([
    ['1', 1],
    ['60', 60],
    ['2592000', MAX],
    ['60.0', 60],
    ['6e1', 60],
  ])('of %s is accepted', async (text, ttl) => {
    const client = connect();
    expect(dataOf(await setWith(client, text), 201)).toEqual({ key: 'k', status: 'set', ttl });
  });

  test.each([
    '0',
    '-0',
    '-1',
    '1.5',
    '0.5',
    String(MAX + 1),
    '1e400',
    '-1e400',
    '12345678901234567890',
    '"60"',
    '""',
    'true',
    'false',
    '[60]',
    '{"seconds":60}',
  ])('of %s is rejected, and nothing is set', async (text) => {
    const client = connect();
    expectInvalid(await setWith(client, text), 'ttl');
    expect(await client.holds('k')).toBe(false);
  });

  test('is 300 if it is absent or null', async () => {
    const client = connect();
    for (const body of ['{"key":"k","value":1}', '{"key":"k","value":1,"ttl":null}']) {
      expect(dataOf(await client.post(body), 201).ttl).toBe(300);
      const { ttl } = dataOf(await client.get('k'), 200);
      expect(ttl).toBeLessThanOrEqual(300);
      expect(ttl).toBeGreaterThan(240);
    }
  });

  test.each([1, 2, 10, MAX])('of %i is returned by a get in whole seconds, rounded up', async (set) => {
    const client = connect();
    const from = performance.now();
    dataOf(await client.set('k', '1', set), 201);
    const { found, ttl } = dataOf(await client.get('k'), 200);
    const least = Math.ceil(set - (performance.now() - from + CLOCK_ERROR_MS) / 1000);
    // On a very busy machine the entry may have expired already.
    if (least > 0) expect(found).toBe(true);
    if (!found) return;
    expect(ttl).toSatisfy(Number.isInteger);
    expect(ttl).toBeGreaterThanOrEqual(Math.max(1, least));
    expect(ttl).toBeLessThanOrEqual(set);
  });

  test('determines when an entry expires', async () => {
    const client = connect();
    const from = performance.now();
    dataOf(await client.set('one', '1', 1), 201);
    dataOf(await client.set('many', '1', 600), 201);
    await untilGone(client, 'one');
    expect(performance.now() - from).toBeGreaterThan(1000 - CLOCK_ERROR_MS);
    expect(await client.holds('many')).toBe(true);
    // The expired entry is not counted.
    expect(dataOf(await client.invalidate({ pattern: 'one' }), 200).count).toBe(0);
    expect(dataOf(await client.invalidate(), 200).count).toBe(1);
  });
});

async function untilGone(client: Client, key: string): Promise<void> {
  while (await client.holds(key)) await sleep(50);
}

describeOnBackends('the settings', { DEFAULT_TTL_SECONDS: '7', MAX_TTL_SECONDS: '20' }, (connect) => {
  test('DEFAULT_TTL_SECONDS is the TTL of a set without one', async () => {
    const client = connect();
    expect(dataOf(await client.set('k', '1'), 201).ttl).toBe(7);
    expect(dataOf(await client.get('k'), 200).ttl).toBeLessThanOrEqual(7);
  });

  test('MAX_TTL_SECONDS is the longest TTL that is accepted', async () => {
    expect(dataOf(await connect().set('k', '1', 20), 201).ttl).toBe(20);
    expectInvalid(await connect().set('k', '1', 21), 'ttl');
  });
});
