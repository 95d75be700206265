import { setTimeout as sleep } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import { findClusterEngine } from './find.ts';
import { infoFields, masters, parseFields, rawClient } from './inspect.ts';
import { BUS_OFFSET, LOOPBACK } from './ports.ts';
import { type Server, type ServerOptions, startServer } from './server.ts';

export interface ClusterOptions extends Pick<ServerOptions, 'tls' | 'password' | 'args'> {
  /** Number of replicas per master. */
  replicas?: number;
  /**
   * Time without a sign of life after which the other nodes consider a node failed, and the cluster serves no slot. In
   * milliseconds. The default is long enough for a busy machine, which may pause a node for seconds; a failover test needs less.
   */
  nodeTimeoutMs?: number;
}

/** A cluster for one test. See {@link Server} for the methods of its nodes. */
export interface TestCluster {
  /** The addresses of all masters in the format of `DRAGONFLY_URL`. */
  readonly url: string;
  /** The masters in the order of their slots, then the replicas: the first master's, the second's, and so on. */
  readonly nodes: readonly Server[];
  readonly ca: string | undefined;
  readonly caFile: string | undefined;
  stop(): Promise<void>;
}

const SLOTS = 16_384;
const FORM_TIMEOUT_MS = 60_000;
const POLL_MS = 50;

/**
 * Starts a cluster and waits until all nodes know the owner of every slot.
 *
 * @param size number of masters
 */
export async function startCluster(size = 3, options: ClusterOptions = {}): Promise<TestCluster> {
  const { replicas = 0, nodeTimeoutMs = 30_000, args = [], ...shared } = options;
  const engine = await findClusterEngine();
  // A node learns its address from the first node that meets it. A single node needs the flag.
  const flags = ['--cluster-enabled', 'yes', '--cluster-announce-ip', LOOPBACK];
  flags.push('--cluster-node-timeout', String(nodeTimeoutMs));
  const starting = Array.from({ length: size * (1 + replicas) }, () =>
    startServer({ ...shared, engine, args: [...flags, ...args] }),
  );
  const results = await Promise.allSettled(starting);
  const nodes = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
  const stop = async () => {
    await Promise.all(nodes.map((node) => node.stop()));
  };
  try {
    for (const result of results) if (result.status === 'rejected') throw result.reason;
    await form(nodes, size);
  } catch (error) {
    await stop();
    throw error;
  }
  const [first] = nodes;
  const others = nodes.slice(1, size).map((node) => `,${node.host}:${node.port}`);
  return {
    url: `${first?.url}${size === 1 ? '?cluster=true' : others.join('')}`,
    nodes,
    ca: first?.ca,
    caFile: first?.caFile,
    stop,
  };
}

async function form(nodes: readonly Server[], size: number): Promise<void> {
  const connections = await Promise.all(nodes.map(connect));
  try {
    await Promise.all(connections.slice(0, size).map((node, index) => giveSlots(node, index, size)));
    await introduce(nodes, connections);
    const ids = await Promise.all(connections.map(async (node) => (await node.cluster('MYID')) as string));
    await until('all nodes know each other', () => every(connections, (node) => knows(node, ids)));
    await Promise.all(
      connections.slice(size).map((node, index) => node.cluster('REPLICATE', ids[index % size] ?? '')),
    );
    await until('all nodes serve and agree on the slots', () =>
      every(
        connections,
        async (node, index) => (await agrees(node, nodes.length, size)) && linked(node, index >= size),
      ),
    );
  } finally {
    for (const connection of connections) connection.disconnect();
  }
}

async function connect({ url, ca }: Server): Promise<Redis> {
  const [node] = masters(await rawClient(url, { ca }));
  return node as Redis;
}

/** Assigns a node its range of slots and a unique config epoch. Otherwise the nodes would have to agree on epochs by gossip. */
async function giveSlots(node: Redis, index: number, size: number): Promise<void> {
  const first = Math.floor((SLOTS * index) / size);
  const end = Math.floor((SLOTS * (index + 1)) / size);
  // One slot per argument, because CLUSTER ADDSLOTSRANGE requires Redis 7.
  await node.call(
    'CLUSTER',
    'ADDSLOTS',
    ...Array.from({ length: end - first }, (_, offset) => first + offset),
  );
  await node.call('CLUSTER', 'SET-CONFIG-EPOCH', index + 1);
}

/** Introduces every node to every other, which is faster than gossip. */
async function introduce(nodes: readonly Server[], connections: readonly Redis[]): Promise<void> {
  for (const [index, connection] of connections.entries()) {
    for (const { host, port } of nodes.slice(index + 1)) {
      await connection.call('CLUSTER', 'MEET', host, port, port + BUS_OFFSET);
    }
  }
}

/** Whether a node knows all nodes by their ids. During the handshake a node has a temporary id. */
async function knows(node: Redis, ids: readonly string[]): Promise<boolean> {
  const known = (await node.cluster('NODES')) as string;
  return ids.every((id) => known.includes(id));
}

async function agrees(node: Redis, nodes: number, size: number): Promise<boolean> {
  const info = parseFields((await node.cluster('INFO')) as string);
  if (info.cluster_state !== 'ok' || info.cluster_slots_ok !== String(SLOTS)) return false;
  if (info.cluster_size !== String(size)) return false;
  const ranges = (await node.cluster('SLOTS')) as [first: number, last: number, ...nodes: unknown[]][];
  const slots = ranges.reduce((sum, [first, last]) => sum + last - first + 1, 0);
  const owners = ranges.reduce((sum, [, , ...owning]) => sum + owning.length, 0);
  return slots === SLOTS && owners === nodes;
}

async function linked(node: Redis, replica: boolean): Promise<boolean> {
  const { role, master_link_status: link } = await infoFields(node, 'replication');
  return replica ? role === 'slave' && link === 'up' : role === 'master';
}

async function every<T>(
  items: readonly T[],
  holds: (item: T, index: number) => Promise<boolean>,
): Promise<boolean> {
  return (await Promise.all(items.map(holds))).every(Boolean);
}

async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + FORM_TIMEOUT_MS;
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error(`The cluster did not reach this state in time: ${what}`);
    await sleep(POLL_MS);
  }
}
