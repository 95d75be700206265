import { setTimeout as sleep } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import type { TestCluster } from './cluster.ts';
import { masters, withRawClient } from './inspect.ts';
import type { Server } from './server.ts';

/** Keys per MIGRATE command. Few, so that other commands run in between while the slot is partly moved. */
const KEYS_PER_MIGRATE = 5;
const MOVE_TIMEOUT_MS = 20_000;
const TIMEOUT_MS = 60_000;
const POLL_MS = 20;

/** Runs `action` on a new connection to one node. */
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

/** Returns the node that serves a slot, according to the running node `witness`. @throws Error if none serves it */
export async function ownerOf(cluster: TestCluster, slot: number, witness: Server): Promise<Server> {
  const ranges = await onNode(witness, (node) => node.cluster('SLOTS'));
  const [, , serving] = ranges.find(([first, last]) => first <= slot && slot <= last) ?? [];
  const owner = cluster.nodes.find(({ port }) => port === serving?.[1]);
  if (!owner) throw new Error(`Slot ${slot} has no owner`);
  return owner;
}

/** Begins to move a slot from one master to another, without moving a key. The old owner redirects commands for keys that it has not. */
export async function startMoving(slot: number, from: Server, to: Server): Promise<void> {
  const [fromId, toId] = await Promise.all([onNode(from, idOf), onNode(to, idOf)]);
  await onNode(to, (node) => node.call('CLUSTER', 'SETSLOT', slot, 'IMPORTING', fromId));
  await onNode(from, (node) => node.call('CLUSTER', 'SETSLOT', slot, 'MIGRATING', toId));
}

/**
 * Moves a slot from one master to another in small steps, as administration tools do. Meanwhile clients receive ASK and TRYAGAIN,
 * afterwards MOVED.
 *
 * @param pauseMs pause between two MIGRATE commands, in milliseconds
 */
export async function moveSlot(
  cluster: TestCluster,
  slot: number,
  from: Server,
  to: Server,
  pauseMs = 0,
): Promise<void> {
  await startMoving(slot, from, to);
  await onNode(from, async (source) => {
    for (;;) {
      const keys = (await source.call('CLUSTER', 'GETKEYSINSLOT', slot, KEYS_PER_MIGRATE)) as string[];
      if (keys.length === 0) break;
      await source.call('MIGRATE', to.host, to.port, '', 0, MOVE_TIMEOUT_MS, 'KEYS', ...keys);
      await sleep(pauseMs);
    }
  });
  const toId = await onNode(to, idOf);
  // The new owner first. Otherwise the slot would have no owner for a moment.
  const receivers = [to, from, ...cluster.nodes.filter((node) => node !== to && node !== from)];
  for (const node of receivers) {
    if (await onNode(node, isMaster)) {
      await onNode(node, (client) => client.call('CLUSTER', 'SETSLOT', slot, 'NODE', toId));
    }
  }
}

/**
 * Promotes a replica to the owner of its master's slots without an election. Writes that it has not received are lost. Returns
 * when the replica serves the slots.
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

/** Waits until a condition holds. An error of the check counts as false. @throws Error if it does not hold in time */
export async function eventually(
  what: string,
  holds: () => Promise<boolean>,
  timeoutMs = TIMEOUT_MS,
): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  while (!(await holds().catch(() => false))) {
    if (Date.now() > deadline) throw new Error(`Not within ${timeoutMs} ms: ${what}`);
    await sleep(POLL_MS);
  }
}
