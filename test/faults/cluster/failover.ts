import type { TestCluster } from '../../support/engines/cluster.ts';
import type { Server } from '../../support/engines/server.ts';
import { followed, isMaster, onNode } from '../../support/engines/topology.ts';
import { underLoad } from '../harness/experiment.ts';
import type { Scenario } from '../harness/scenario.ts';
import { onCluster, settled } from './backend.ts';

/** How long the others wait before they take a silent node for dead, in milliseconds. */
const NODE_TIMEOUT_MS = 1000;

/** Silence, an election, and what a busy machine adds to both. */
const FAILOVER_MS = 20_000;

/** A primary dies, and the others make its replica one. What counts is how long it takes until all keys can be written again. */
export const failover: Scenario = {
  name: 'primary-killed',
  breaks: `primary killed, replica elected (node timeout ${NODE_TIMEOUT_MS / 1000} s)`,
  run: ({ pick, say }) =>
    onCluster({ replicas: 1, nodeTimeoutMs: NODE_TIMEOUT_MS }, async (cluster) => {
      const rounds = pick(1, 6);
      const pairs = cluster.nodes
        .slice(0, 3)
        .map((node, index) => [node, cluster.nodes[index + 3] as Server]);
      return underLoad(
        { env: { DRAGONFLY_URL: cluster.url }, load: { graceMs: FAILOVER_MS } },
        async (load) => {
          for (let round = 0; round < rounds; round++) {
            const pair = pairs[round % pairs.length] as [Server, Server];
            const [primary, replica] = await inOrder(pair);
            say(`round ${round + 1} of ${rounds}: a primary is killed`);
            await load.during(async () => {
              await primary.kill();
            });
            await promoted(replica, cluster);
            // What it held is lost; it comes back as a replica of the one that took its place.
            await load.during(() => primary.restart());
            await followed(primary);
          }
        },
      );
    }),
};

async function inOrder([one, other]: [Server, Server]): Promise<[primary: Server, replica: Server]> {
  return (await onNode(one, isMaster)) ? [one, other] : [other, one];
}

async function promoted(replica: Server, cluster: TestCluster): Promise<void> {
  await settled(`one of ${cluster.nodes.length} nodes is promoted`, () => onNode(replica, isMaster));
}
