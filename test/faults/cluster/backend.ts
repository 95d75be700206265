import type { ClusterOptions, TestCluster } from '../../engines/cluster.ts';
import { startCluster } from '../../engines/cluster.ts';
import type { Server } from '../../engines/server.ts';
import { onNode } from '../../engines/topology.ts';

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

export async function settled(
  what: string,
  holds: () => Promise<boolean>,
  patienceMs = 30_000,
): Promise<void> {
  const deadline = Date.now() + patienceMs;
  while (!(await holds().catch(() => false))) {
    if (Date.now() > deadline) throw new Error(`Not within ${patienceMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
