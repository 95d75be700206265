import { AUTO_SHARDS } from '../../../lib/config/config.ts';
import type { ClusterOptions, TestCluster } from '../../support/engines/cluster.ts';
import { startCluster } from '../../support/engines/cluster.ts';
import type { Server } from '../../support/engines/server.ts';
import { eventually, onNode } from '../../support/engines/topology.ts';

/** Runs `work` on a new cluster. */
export async function onCluster<T>(
  options: ClusterOptions,
  work: (cluster: TestCluster) => Promise<T>,
): Promise<T> {
  const cluster = await startCluster(3, options);
  try {
    return await work(cluster);
  } finally {
    await cluster.stop();
  }
}

/** Returns the slot of each of a tenant's shards, by shard number. */
export function slotsOf(tenant: string, witness: Server): Promise<number[]> {
  return onNode(witness, (node) =>
    Promise.all(
      Array.from({ length: AUTO_SHARDS }, (_, shard) =>
        node.cluster('KEYSLOT', `{cache:${tenant}:${shard}}`),
      ),
    ),
  );
}

/** Like `eventually`, with a timeout that is long enough for an election. */
export function eventuallySettled(what: string, holds: () => Promise<boolean>): Promise<void> {
  return eventually(what, holds, 30_000);
}
