import { setTimeout as sleep } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import type { TestCluster } from './cluster.ts';
import { masters, withRawClient } from './inspect.ts';
import type { Server } from './server.ts';

/** Keys that one command moves; few, so that others get their turn and a slot stays half moved for a while. */
const KEYS_A_MOVE = 5;
const MOVE_TIMEOUT_MS = 20_000;
const PATIENCE_MS = 60_000;
const POLL_MS = 20;

/** One command on one node, by a connection that is made for it: what a person would do with `redis-cli -p`. */
export function onNode<T>(node: Server, action: (node: Redis) => Promise<T>): Promise<T> {
  return withRawClient(
    node.url,
    (client) => {
      const [only] = masters(client);
      if (!only) throw new Error('No node');
      return action(only);
    },
    { ca: node.ca },
  );
}

/** The node that serves a slot, by the word of a node that is running. @throws Error if none does */
export async function ownerOf(cluster: TestCluster, slot: number, witness: Server): Promise<Server> {
  const ranges = await onNode(witness, (node) => node.cluster('SLOTS'));
  const [, , serving] = ranges.find(([first, last]) => first <= slot && slot <= last) ?? [];
  const owner = cluster.nodes.find(({ port }) => port === serving?.[1]);
  if (!owner) throw new Error(`Slot ${slot} has no owner`);
  return owner;
}

/**
 * Moves a slot from one master to another as an operator's tool does: key by key, during which clients are answered ASK and
 * TRYAGAIN, and MOVED from then on.
 *
 * @param pauseMs between two moves of some keys
 */
export async function moveSlot(
  cluster: TestCluster,
  slot: number,
  from: Server,
  to: Server,
  pauseMs = 0,
): Promise<void> {
  const [fromId, toId] = await Promise.all([from, to].map((node) => onNode(node, idOf)));
  await onNode(to, (node) => node.call('CLUSTER', 'SETSLOT', slot, 'IMPORTING', String(fromId)));
  await onNode(from, async (source) => {
    await source.call('CLUSTER', 'SETSLOT', slot, 'MIGRATING', String(toId));
    for (;;) {
      const keys = (await source.call('CLUSTER', 'GETKEYSINSLOT', slot, KEYS_A_MOVE)) as string[];
      if (keys.length === 0) break;
      await source.call('MIGRATE', to.host, to.port, '', 0, MOVE_TIMEOUT_MS, 'KEYS', ...keys);
      await sleep(pauseMs);
    }
  });
  // The new owner first: else the slot would have none for a moment, should the old one be asked in between.
  const told = [to, from, ...cluster.nodes.filter((node) => node !== to && node !== from)];
  for (const node of told) {
    if (await onNode(node, isMaster)) {
      await onNode(node, (client) => client.call('CLUSTER', 'SETSLOT', slot, 'NODE', String(toId)));
    }
  }
}

/**
 * Makes a replica the master of its master's slots, without asking anybody: what it has not been sent by then is lost. Answers
 * when it serves.
 */
export async function takeOver(replica: Server): Promise<void> {
  await onNode(replica, (node) => node.call('CLUSTER', 'FAILOVER', 'TAKEOVER'));
  await eventually('the replica is a master', () => onNode(replica, isMaster));
}

/** Waits until the node is a replica that follows its master. */
export async function followed(replica: Server): Promise<void> {
  await eventually('the replica follows its master', () =>
    onNode(replica, async (node) => {
      const [role, , , link] = (await node.role()) as unknown[];
      return role === 'slave' && link === 'connected';
    }),
  );
}

export async function isMaster(node: Redis): Promise<boolean> {
  return (await node.role())[0] === 'master';
}

async function idOf(node: Redis): Promise<string> {
  return (await node.cluster('MYID')) as string;
}

/** Waits until something holds; that it cannot be looked at yet is no more than that it does not. @throws Error when it never does */
export async function eventually(
  what: string,
  holds: () => Promise<boolean>,
  patienceMs = PATIENCE_MS,
): Promise<void> {
  const deadline = Date.now() + patienceMs;
  while (!(await holds().catch(() => false))) {
    if (Date.now() > deadline) throw new Error(`Not within ${patienceMs} ms: ${what}`);
    await sleep(POLL_MS);
  }
}
