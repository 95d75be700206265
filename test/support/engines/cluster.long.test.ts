import type { Cluster, Redis } from 'ioredis';
import { afterEach, expect, test } from 'vitest';
import { type ClusterOptions, startCluster, type TestCluster } from './cluster.ts';
import { commandsDuring, masters, rawClient, withRawClient } from './inspect.ts';
import type { Server } from './server.ts';

const running: TestCluster[] = [];

async function start(size?: number, options?: ClusterOptions): Promise<TestCluster> {
  const cluster = await startCluster(size, options);
  running.push(cluster);
  return cluster;
}

afterEach(async () => {
  for (const cluster of running.splice(0)) await cluster.stop();
});

test('a cluster accepts keys of every slot as soon as startCluster returns, through any node', async () => {
  const cluster = await start();
  expect(cluster.nodes).toHaveLength(3);
  expect(cluster.url).toBe(`redis://${cluster.nodes.map(({ port }) => `127.0.0.1:${port}`).join(',')}`);
  for (const node of cluster.nodes) {
    await withRawClient(`${node.url}?cluster=true`, async (client) => {
      const keys = Array.from({ length: 300 }, (_, index) => `key-${index}`);
      await Promise.all(keys.map((key) => client.set(key, key)));
      expect(await Promise.all(keys.map((key) => client.get(key)))).toEqual(keys);
      expect(masters(client)).toHaveLength(3);
    });
  }
  const sizes = await Promise.all(
    cluster.nodes.map(({ url }) => withRawClient(url, (node) => node.dbsize())),
  );
  expect(sizes.reduce((sum, size) => sum + size)).toBe(300);
  for (const size of sizes) expect(size).toBeGreaterThan(50);
});

test('commandStats of a cluster is the sum over its masters', async () => {
  const cluster = await start();
  const counted = await commandsDuring(cluster.url, () =>
    withRawClient(cluster.url, async (client) => {
      for (let index = 0; index < 60; index++) await client.set(`key-${index}`, 'yes');
      await client.mget('{a}1', '{a}2');
    }),
  );
  expect(counted).toMatchObject({ set: 60, mget: 1 });
  expect(counted).not.toHaveProperty('get');
});

test('a cluster of one node has cluster=true in its URL and supports TLS with a password', async () => {
  const cluster = await start(1, { tls: true, password: 'secret' });
  expect(cluster.url).toMatch(/^rediss:\/\/:secret@127\.0\.0\.1:\d+\?cluster=true$/);
  const client = (await rawClient(cluster.url, { ca: cluster.ca })) as Cluster;
  expect(client.isCluster).toBe(true);
  expect(await client.set('a', 'yes')).toBe('OK');
  await client.quit();
});

test('replicas follow their masters, and a replica takes over the slots of a killed master', async () => {
  const cluster = await start(3, { replicas: 1, nodeTimeoutMs: 2_000 });
  expect(cluster.nodes).toHaveLength(6);
  expect(cluster.url.split(',')).toHaveLength(3);
  const [master, , , replica] = cluster.nodes as [Server, Server, Server, Server];
  await withRawClient(cluster.url, async (client) => {
    for (let index = 0; index < 100; index++) await client.set(`key-${index}`, 'yes');
  });
  const [key, size] = await withRawClient(master.url, async (node) => [
    await node.randomkey(),
    await node.dbsize(),
  ]);
  await expect.poll(() => withRawClient(replica.url, (node) => node.dbsize())).toBe(size);

  await master.kill();
  const role = async (node: Redis | Cluster) => (await (node as Redis).role())[0];
  await expect.poll(() => withRawClient(replica.url, role)).toBe('master');
  const value = () => withRawClient(replica.url, (node) => node.get(String(key))).catch(String);
  await expect.poll(value).toBe('yes');
});
