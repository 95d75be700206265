import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { shardsOf } from '../../lib/store/redis/keyspace.ts';
import { rawClient } from '../support/engines/inspect.ts';
import { mainTargets } from '../support/long-run.ts';
import { API, Client, dataOf, describeOnBackends, detailsOf, expectNoContent } from './client.ts';
import { type Service, startService } from './service.ts';

/** The response of the contract. */
interface Usage {
  tenant_id: string;
  entries: number;
  bytes: { estimated: number; sampled: number; missing: number };
  backend: string;
}

const ask = (client: Client, tenant = client.tenant) => client.send({ target: `${API}/tenant/${tenant}` });
const usageOf = async (client: Client) => dataOf(await ask(client), 200) as unknown as Usage;
const entriesOf = async (client: Client) => (await usageOf(client)).entries;

describeOnBackends('the usage of a tenant', {}, (connect) => {
  test('is zero before its first set', async () => {
    const client = connect();
    expect(await usageOf(client)).toEqual({
      tenant_id: client.tenant,
      entries: 0,
      bytes: { estimated: 0, sampled: 0, missing: 0 },
      limits: { entries: null, bytes: null, requests_per_second: null, burst: null },
      backend: expect.stringMatching(/^(memory|dragonfly)$/),
    });
  });

  test('counts the live entries only', async () => {
    const client = connect();
    for (const key of ['a:1', 'a:2', 'b:1', 'b:2']) dataOf(await client.set(key, '1'), 201);
    expect(await entriesOf(client)).toBe(4);
    dataOf(await client.set('a:1', '"again"'), 201);
    expect(await entriesOf(client)).toBe(4);
    expectNoContent(await client.delete('b:1'));
    expect(await entriesOf(client)).toBe(3);
    dataOf(await client.invalidate({ pattern: 'a:*' }), 200);
    expect(await entriesOf(client)).toBe(1);
    // Not requested before the entry has expired: on a busy machine that request could take more than the TTL of one second.
    dataOf(await client.set('short', '1', 1), 201);
    await sleep(1100);
    expect(await entriesOf(client)).toBe(1);
    expectNoContent(await client.clear());
    expect(await entriesOf(client)).toBe(0);
  });

  test('grows by the size of the value that a set adds', async () => {
    const client = connect();
    dataOf(await client.set('k', '"x"'), 201);
    const { estimated: before } = (await usageOf(client)).bytes;
    expect(before).toBeGreaterThanOrEqual(3);
    dataOf(await client.set('k', JSON.stringify('x'.repeat(1001))), 201);
    expect((await usageOf(client)).bytes).toEqual({ estimated: before + 1000, sampled: 1, missing: 0 });
  });

  test('of another tenant is rejected with 403', async () => {
    const [mine, theirs] = [connect(), connect()];
    dataOf(await theirs.set('k', '1'), 201);
    for (const named of [theirs.tenant, mine.tenant.toUpperCase(), `${mine.tenant}0`, '*']) {
      detailsOf(await ask(mine, named), 403, 'TENANT_MISMATCH');
    }
    expect([await entriesOf(mine), await entriesOf(theirs)]).toEqual([0, 1]);
  });
});

describe.each(mainTargets)('the usage of a tenant on a server ($name)', ({ url }) => {
  let service: Service;
  beforeAll(async () => {
    service = await startService({ DRAGONFLY_URL: url });
  });
  afterAll(() => service.stop());

  test('contains the compressed size of a value', async () => {
    const client = new Client(service);
    dataOf(await client.set('k', JSON.stringify('lorem ipsum '.repeat(10_000))), 201);
    const { estimated } = (await usageOf(client)).bytes;
    expect(estimated).toBeGreaterThan(31);
    expect(estimated).toBeLessThan(5000);
  });

  test.each([
    ['generations', ['generation'], 40],
    ['expiry indexes', ['expiryIndex'], 40],
    ['generations and indexes', ['generation', 'expiryIndex', 'nameIndex'], 0],
  ] as const)('counts only the readable entries after the %s were evicted', async (_, evicted, entries) => {
    const client = new Client(service);
    const keys = Array.from({ length: 40 }, (_, i) => `k:${i}`);
    for (const key of keys) dataOf(await client.set(key, '1'), 201);
    expect(await entriesOf(client)).toBe(40);
    const raw = await rawClient(url);
    for (const shard of shardsOf(client.tenant, 16))
      for (const helper of evicted) await raw.del(shard[helper]);
    await raw.quit();
    expect(await usageOf(client)).toMatchObject({ entries, bytes: { sampled: entries } });
    expect(await client.held(keys)).toHaveLength(entries);
  });

  test('returns the number of evicted entries in the sample, and counts no bytes for them', async () => {
    const client = new Client(service);
    for (let i = 0; i < 40; i++) dataOf(await client.set(`k:${i}`, '"12345678"'), 201);
    const before = await usageOf(client);
    const raw = await rawClient(url);
    let evicted = 0;
    for (const shard of shardsOf(client.tenant, 16)) {
      // Every fourth entry. One command for each, because their keys are in several slots.
      for (let i = 0; i < 40; i += 4) evicted += await raw.del(shard.entryKey(`k:${i}`) as string);
    }
    await raw.quit();
    expect(evicted).toBe(10);
    expect(await usageOf(client)).toEqual({
      ...before,
      bytes: { estimated: (before.bytes.estimated * 30) / 40, sampled: 40, missing: 10 },
    });
  });
});
