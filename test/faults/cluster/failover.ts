import type { TestCluster } from '../../support/engines/cluster.ts';
import type { Server } from '../../support/engines/server.ts';
import { followed, isMaster, onNode } from '../../support/engines/topology.ts';
import { underLoad } from '../harness/experiment.ts';
import type { Scenario } from '../harness/scenario.ts';
import { eventuallySettled, onCluster } from './backend.ts';

/** Time after which the other nodes consider a silent node failed, in milliseconds. */
const NODE_TIMEOUT_MS = 1000;

/** Maximum time for a failover on a busy machine, in milliseconds. */
const FAILOVER_MS = 20_000;

/** A primary is killed and its replica is elected. Measures the time until all keys can be written again. */
export const failover: Scenario = {
  name: 'primary-killed',
  breaks: `primary killed, replica elected (node timeout ${NODE_TIMEOUT_MS / 1000} s)`,
  run: ({ pick, log }) =>
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
            log(`round ${round + 1} of ${rounds}: a primary is killed`);
            await load.during(async () => {
              await primary.kill();
            });
            await promoted(replica, cluster);
            // Its data is lost. It rejoins as a replica of the node that replaced it.
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
  await eventuallySettled(`one of ${cluster.nodes.length} nodes is promoted`, () =>
    onNode(replica, isMaster),
  );
}
