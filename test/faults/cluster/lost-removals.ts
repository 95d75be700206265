import { setTimeout as sleep } from 'node:timers/promises';
import type { TestCluster } from '../../support/engines/cluster.ts';
import { infoFields } from '../../support/engines/inspect.ts';
import type { Server } from '../../support/engines/server.ts';
import { followed, onNode, takeOver } from '../../support/engines/topology.ts';
import type { Call } from '../harness/caller.ts';
import { underLoad } from '../harness/experiment.ts';
import type { Figures } from '../harness/figures.ts';
import type { Load } from '../harness/load.ts';
import type { Run, Scenario } from '../harness/scenario.ts';
import { eventuallySettled, onCluster } from './backend.ts';

/** Longer than the scenario, so that no replica is promoted automatically. In milliseconds. */
const NODE_TIMEOUT_MS = 30_000;

/** Longer than the scenario, so that entries which reappear are still readable. In seconds. */
const TTL_SECONDS = 300;

const removals = ['invalidate', 'clear', 'delete'] as const;

/**
 * The one case in which removed entries reappear: a primary acknowledges a removal and fails before it has replicated it, and the
 * replica is promoted.
 */
export const lostRemovals: Scenario = {
  name: 'promoted-unseen',
  breaks: 'primary killed after it acknowledged removals, and a replica without them promoted',
  knownLimit: 'removed entries reappear when a replica is promoted that has not received the removal',
  run: (run) => losingRemovals(run, 0),
};

export const confirmedRemovals: Scenario = {
  name: 'promoted-unseen-wait',
  breaks: 'the same with `WAIT_REPLICAS=1`',
  run: (run) => losingRemovals(run, 1),
};

function losingRemovals({ pick, log }: Run, waitReplicas: number): Promise<Figures> {
  return onCluster({ replicas: 1, nodeTimeoutMs: NODE_TIMEOUT_MS }, (cluster) => {
    const env = { DRAGONFLY_URL: cluster.url, WAIT_REPLICAS: String(waitReplicas) };
    // All requests are sent here; there is no background load that could measure the recovery.
    return underLoad({ env, load: { callers: 0, tenants: removals.length, recovery: [] } }, async (load) => {
      const keys = Array.from({ length: pick(60, 600) }, (_, i) => `k:${i}`);
      await inParallel(load, setAll(load, keys));
      await caughtUp(cluster);
      const repeated = await load.during(async () => {
        log('pausing a replica, removing all entries, killing the primary, promoting the replica');
        const [primary, replica] = [cluster.nodes[0], cluster.nodes[3]] as [Server, Server];
        replica.pause();
        await onNode(primary, (node) => node.call('CLIENT', 'KILL', 'TYPE', 'replica'));
        const removing = removeAll(load, keys);
        const responses = await inParallel(load, removing);
        await primary.kill();
        replica.resume();
        await takeOver(replica);
        await eventuallySettled('all keys can be read', () => readable(load, keys));
        await inParallel(load, readAll(load, keys));
        await primary.restart();
        await followed(primary);
        return removing.filter((_, i) => responses[i] !== undefined && responses[i] >= 300);
      });
      log(`retrying ${repeated.length} removals`);
      await eventuallySettled('the retried removals succeed', async () => {
        const responses = await load.during(() => inParallel(load, repeated));
        return responses.every((status) => status !== undefined && status < 300);
      });
      await inParallel(load, readAll(load, keys));
    });
  });
}

const setAll = (load: Load, keys: string[]): Call[] =>
  load.mix.tenants.flatMap((tenant) => keys.map((key) => load.mix.set(tenant, key, TTL_SECONDS)));

const readAll = (load: Load, keys: string[]): Call[] =>
  load.mix.tenants.flatMap((tenant) => keys.map((key): Call => ({ operation: 'get', tenant, key })));

/** Removes the entries of the first tenant by pattern, of the second by a clear, and of the third by deletes. */
function removeAll(load: Load, keys: string[]): Call[] {
  const [invalidated = '', cleared = '', deleted = ''] = load.mix.tenants;
  return [
    { operation: 'invalidate', tenant: invalidated, pattern: 'k:*' },
    { operation: 'clear', tenant: cleared },
    ...keys.map((key): Call => ({ operation: 'delete', tenant: deleted, key })),
  ];
}

/** @returns the status of each response; undefined for a call without response */
async function inParallel(load: Load, calls: Call[]): Promise<(number | undefined)[]> {
  const statuses: (number | undefined)[] = [];
  for (let from = 0; from < calls.length; from += 32) {
    const responses = await Promise.all(calls.slice(from, from + 32).map((call) => load.ask(call)));
    statuses.push(...responses.map((response) => response?.status));
  }
  return statuses;
}

async function readable(load: Load, keys: string[]): Promise<boolean> {
  const statuses = await inParallel(load, readAll(load, keys.slice(0, 50)));
  return statuses.every((status) => status === 200);
}

/** Waits until every replica has received all writes of its primary. */
async function caughtUp(cluster: TestCluster): Promise<void> {
  const offset = async (node: Server, field: string) =>
    (await onNode(node, (client) => infoFields(client, 'replication')))[field];
  await sleep(10);
  await eventuallySettled('the replicas have received all writes', async () => {
    for (const [index, primary] of cluster.nodes.slice(0, 3).entries()) {
      const replica = cluster.nodes[index + 3] as Server;
      const [sent, seen] = [
        await offset(primary, 'master_repl_offset'),
        await offset(replica, 'slave_repl_offset'),
      ];
      if (sent !== seen) return false;
    }
    return true;
  });
}
