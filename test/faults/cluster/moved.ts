import type { TestCluster } from '../../support/engines/cluster.ts';
import type { Server } from '../../support/engines/server.ts';
import { moveSlot, onNode, ownerOf } from '../../support/engines/topology.ts';
import { underLoad } from '../harness/experiment.ts';
import type { Scenario } from '../harness/scenario.ts';
import { onCluster, slotsOf } from './backend.ts';

/** Pause between two MIGRATE calls of a slot, in milliseconds. Meanwhile the slot's keys are on two nodes. */
const HALF_MOVED_MS = 20;

/** Timeout for the first redirected requests, in milliseconds. */
const REDIRECTED_WITHIN_MS = 60_000;

/** Enough keys that a slot needs several MIGRATE calls, and few removals, so that the keys remain. */
const LOAD = {
  callers: 32,
  pauseMs: 2,
  keysPerTenant: 300,
  weights: { get: 300, set: 180, delete: 10, invalidate: 5, clear: 1 },
};

/** All slots of a tenant move to another node, one after another, while it is read, written and invalidated. */
export const moved: Scenario = {
  name: 'slots-moved',
  breaks: "a tenant's slots moved to other nodes (ASK, TRYAGAIN, MOVED)",
  run: ({ pick, log }) =>
    onCluster({}, async (cluster) => {
      const figures = await underLoad({ env: { DRAGONFLY_URL: cluster.url }, load: LOAD }, async (load) => {
        const [first] = cluster.nodes as [Server];
        const moveSlotsOf = async (tenant: string) => {
          log('moving all slots of a tenant');
          const slots = await slotsOf(tenant, first);
          await load.during(async () => {
            for (const slot of slots) await moveOn(cluster, slot, first);
          });
        };
        const tenants = load.mix.tenants.slice(0, pick(1, 3));
        const end = Date.now() + REDIRECTED_WITHIN_MS;
        // On a busy machine all slots may move between two requests.
        do {
          if (Date.now() > end) throw new Error('No request reached a slot while it was moving');
          for (const tenant of tenants) await moveSlotsOf(tenant);
        } while (!(await wasRedirected(cluster)));
      });
      Object.assign(figures.notes, await redirections(cluster));
      return figures;
    }),
};

/** Whether requests were redirected both while a slot was moving and afterwards. */
async function wasRedirected(cluster: TestCluster): Promise<boolean> {
  const { ASK, MOVED } = await redirections(cluster);
  return ASK > 0 && MOVED > 0;
}

/** Number of ASK and MOVED replies since the cluster started. */
async function redirections(cluster: TestCluster) {
  const responses = { ASK: 0, MOVED: 0, TRYAGAIN: 0 };
  for (const node of cluster.nodes) {
    const info = await onNode(node, (client) => client.info('errorstats'));
    for (const [, error = '', count] of info.matchAll(/^errorstat_(\w+):count=(\d+)/gm)) {
      if (error in responses) responses[error as keyof typeof responses] += Number(count);
    }
  }
  return responses;
}

/** Moves a slot to the node after its owner. */
async function moveOn(cluster: TestCluster, slot: number, witness: Server): Promise<void> {
  const owner = await ownerOf(cluster, slot, witness);
  const next = cluster.nodes[(cluster.nodes.indexOf(owner) + 1) % 3] as Server;
  await moveSlot(cluster, slot, owner, next, HALF_MOVED_MS);
}
