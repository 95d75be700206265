import { setTimeout as sleep } from 'node:timers/promises';
import { startCluster } from '../support/engines/cluster.ts';
import { LOOPBACK } from '../support/engines/ports.ts';
import { type Server, startServer } from '../support/engines/server.ts';
import { onNode } from '../support/engines/topology.ts';
import { type FaultProxy, startProxy } from './proxy.ts';

/** A backend that can be reached only through proxies. */
export interface ProxiedBackend {
  /** In the form of `DRAGONFLY_URL`: the way through the proxies. */
  url: string;
  /** Past them. */
  directUrl: string;
  proxies: readonly FaultProxy[];
  stop(): Promise<void>;
}

/** How long the nodes of a cluster may take to agree on where they are to be reached, in milliseconds. */
const AGREE_MS = 30_000;

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

/** A cluster of three whose nodes tell clients that they are to be reached at their proxies. */
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
    const deadline = Date.now() + AGREE_MS;
    for (const node of cluster.nodes) {
      while (!(await namesAll(node, proxies))) {
        if (Date.now() > deadline) throw new Error('The nodes did not come to announce their proxies');
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
