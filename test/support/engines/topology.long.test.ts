import { afterAll, beforeAll, expect, test } from 'vitest';
import { startCluster, type TestCluster } from './cluster.ts';
import { withRawClient } from './inspect.ts';
import type { Server } from './server.ts';
import { followed, isMaster, moveSlot, onNode, ownerOf, takeOver } from './topology.ts';

let cluster: TestCluster;

beforeAll(async () => {
  cluster = await startCluster(3, { replicas: 1 });
});
afterAll(() => cluster?.stop());

test('moveSlot moves the keys of the slot, and clients of the old owner find them', async () => {
  const [, second, third] = cluster.nodes as [Server, Server, Server];
  const keys = Array.from({ length: 100 }, (_, index) => `{moving}:${index}`);
  const slot = await onNode(second, (node) => node.cluster('KEYSLOT', '{moving}'));
  const from = await ownerOf(cluster, slot, second);
  const to = from === third ? second : third;
  await withRawClient(cluster.url, async (client) => {
    for (const key of keys) await client.set(key, key);
    await moveSlot(cluster, slot, from, to);
    expect(await client.mget(...keys)).toEqual(keys);
  });
  for (const node of cluster.nodes.slice(0, 3)) expect(await ownerOf(cluster, slot, node)).toBe(to);
  expect(await onNode(from, (node) => node.cluster('COUNTKEYSINSLOT', slot))).toBe(0);
  expect(await onNode(to, (node) => node.cluster('COUNTKEYSINSLOT', slot))).toBe(100);
});

test('after takeOver the replica serves its replicated data, and its former master becomes its replica', async () => {
  const [master, , , replica] = cluster.nodes as [Server, Server, Server, Server];
  expect(await onNode(replica, isMaster)).toBe(false);
  await takeOver(replica);
  expect(await onNode(replica, isMaster)).toBe(true);
  await followed(master);
  expect(await ownerOf(cluster, 0, replica)).toBe(replica);
});
