import { setTimeout as sleep } from 'node:timers/promises';
import { startCluster } from '../support/engines/cluster.ts';
import { LOOPBACK } from '../support/engines/ports.ts';
import { type Server, startServer } from '../support/engines/server.ts';
import { onNode } from '../support/engines/topology.ts';
import { type FaultProxy, startProxy } from './proxy.ts';

/** A backend behind fault proxies. */
export interface ProxiedBackend {
  /** URL through the proxies, in the format of `DRAGONFLY_URL`. */
  url: string;
  /** URL without the proxies. */
  directUrl: string;
  proxies: readonly FaultProxy[];
  stop(): Promise<void>;
}

/** Timeout for the nodes of a cluster to agree on their announced addresses, in milliseconds. */
const AGREEMENT_MS = 30_000;

export async function proxiedServer(): Promise<ProxiedBackend> {
  const server = await startServer();
  const proxy = await startProxy(server.port);
  return {
    url: proxy.url,
    directUrl: server.url,
    proxies: [proxy],
    async stop() {
      await proxy.stop();
      await server.stop();
    },
  };
}

/** Starts a cluster of three nodes that announce the addresses of their proxies to clients. */
export async function proxiedCluster(): Promise<ProxiedBackend> {
  const cluster = await startCluster();
  const proxies = await Promise.all(cluster.nodes.map(({ port }) => startProxy(port)));
  const stop = async () => {
    await Promise.all(proxies.map((proxy) => proxy.stop()));
    await cluster.stop();
  };
  try {
    for (const [index, node] of cluster.nodes.entries()) {
      const port = proxies[index]?.port ?? 0;
      await onNode(node, (client) => client.config('SET', 'cluster-announce-port', port));
    }
    const deadline = Date.now() + AGREEMENT_MS;
    for (const node of cluster.nodes) {
      while (!(await namesAll(node, proxies))) {
        if (Date.now() > deadline) throw new Error('The nodes did not announce their proxies in time');
        await sleep(50);
      }
    }
  } catch (error) {
    await stop();
    throw error;
  }
  const addresses = proxies.map(({ port }) => `${LOOPBACK}:${port}`);
  return { url: `redis://${addresses.join(',')}`, directUrl: cluster.url, proxies, stop };
}

async function namesAll(node: Server, proxies: readonly FaultProxy[]): Promise<boolean> {
  const slots = JSON.stringify(await onNode(node, (client) => client.cluster('SLOTS')));
  return proxies.every(({ port }) => slots.includes(`,${port},`));
}
