import type { ClusterOptions, TestCluster } from '../../support/engines/cluster.ts';
import { startCluster } from '../../support/engines/cluster.ts';
import type { Server } from '../../support/engines/server.ts';
import { eventually, onNode } from '../../support/engines/topology.ts';

/** The shards that a tenant's entries are spread over, unless the service is told otherwise. */
const SHARDS = 16;

/** Runs `work` on a cluster of its own. */
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

/** The slots that hold a tenant's shards, in the shards' order. */
export function slotsOf(tenant: string, witness: Server): Promise<number[]> {
  return onNode(witness, (node) =>
    Promise.all(
      Array.from({ length: SHARDS }, (_, shard) => node.cluster('KEYSLOT', `{cache:${tenant}:${shard}}`)),
    ),
  );
}

/** As `eventually`, with the patience that an election takes. */
export function settled(what: string, holds: () => Promise<boolean>): Promise<void> {
  return eventually(what, holds, 30_000);
}
