import { Cluster, Redis } from 'ioredis';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { commandStats, commandsDuring, rawClient, withRawClient } from './inspect.ts';
import { type Server, startServer } from './server.ts';

let server: Server;

beforeAll(async () => {
  server = await startServer();
});
afterAll(async () => {
  await server?.stop();
});

test('commandsDuring counts exactly the commands that were sent, by name', async () => {
  const client = await rawClient(server.url);
  const counted = await commandsDuring(server.url, async () => {
    await client.set('a', '1');
    await client.mget('a', 'b');
    await client.mget('a', 'b');
  });
  expect(counted).toEqual({ set: 1, mget: 2 });
  await client.quit();
});

test('commandStats includes commands that scripts call', async () => {
  const client = await rawClient(server.url);
  const counted = await commandsDuring(server.url, () =>
    client.eval("redis.call('SET', KEYS[1], '1') return redis.call('GET', KEYS[1])", 1, 'a'),
  );
  expect(counted).toEqual({ eval: 1, set: 1, get: 1 });
  await client.quit();
});

test('commandStats never decreases', async () => {
  const before = await commandStats(server.url);
  await withRawClient(server.url, (client) => client.set('a', '1'));
  const after = await commandStats(server.url);
  expect((after.set ?? 0) - (before.set ?? 0)).toBe(1);
});

test('a raw client transmits bytes that are not valid UTF-8', async () => {
  await withRawClient(server.url, async (client) => {
    const bytes = Buffer.from([0, 0xff, 0xc3, 0x28, 0x0d, 0x0a]);
    await client.set(bytes, bytes);
    expect(await client.getBuffer(bytes)).toEqual(bytes);
    expect(await client.callBuffer('GET', bytes)).toEqual(bytes);
  });
});

test('a raw client does not reconnect after its connection was closed', async () => {
  const client = await rawClient(server.url);
  await server.restart();
  await expect.poll(() => client.status).toBe('end');
  await expect(client.get('a')).rejects.toThrow(/closed/);
});

test('a raw client to an unreachable server throws an error with the reason', async () => {
  await expect(rawClient('redis://127.0.0.1:1')).rejects.toThrow(/ECONNREFUSED/);
  await expect(rawClient('redis://127.0.0.1:1?cluster=true')).rejects.toThrow();
});

test('the backends that the test run provides are reachable and of the stated kind', async () => {
  const targets = inject('targets');
  expect(targets.map(({ url }) => url)).toContain(inject('singleUrl'));
  for (const { url, cluster } of targets) {
    await withRawClient(url, async (client) => {
      expect(await client.ping()).toBe('PONG');
      expect(client).toBeInstanceOf(cluster ? Cluster : Redis);
    });
  }
  expect(inject('clusterUrl')).toBe(targets.find(({ cluster }) => cluster)?.url);
});
