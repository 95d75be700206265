import { setTimeout as sleep } from 'node:timers/promises';
import { startCluster } from '../../support/engines/cluster.ts';
import { withRawClient } from '../../support/engines/inspect.ts';
import { freePort, LOOPBACK } from '../../support/engines/ports.ts';
import type { Server } from '../../support/engines/server.ts';
import { underLoad } from '../harness/experiment.ts';
import type { Load } from '../harness/load.ts';
import type { Run, Scenario } from '../harness/scenario.ts';
import { administer, KILL_ALL, startObedientServer } from './engine.ts';

/** A state in which a server replies but rejects commands. */
interface State {
  name: string;
  breaks: string;
  args?: string[];
  rounds: [short: number, long: number];
  inject(server: Server, load: Load, run: Run): Promise<unknown>;
}

/** Number of keys whose loading takes two seconds, at the delay per key below. */
const LOADED_KEYS = 2000;
const LOAD_PACE_US = 1000;
const STATE_MS = 1200;

const states: State[] = [
  {
    name: 'script-flush',
    breaks: 'SCRIPT FLUSH, repeatedly',
    rounds: [10, 30],
    // Not within `load.during`: no request may fail.
    inject: async (server) => {
      await administer(server, ['SCRIPT', 'FLUSH']);
      await sleep(100);
    },
  },
  {
    name: 'loading',
    breaks: 'data set being loaded (LOADING)',
    // The interval makes the server reply to clients often while it loads.
    args: ['--enable-debug-command', 'local', '--loading-process-events-interval-bytes', '1024'],
    rounds: [1, 3],
    inject: async (server, load) => {
      const filling = `redis.call('SELECT', 1) for i = 1, ${LOADED_KEYS} do redis.call('SET', i, i) end`;
      await administer(server, ['EVAL', filling, 0]);
      await load.during(() =>
        administer(server, ['CONFIG', 'SET', 'key-load-delay', LOAD_PACE_US], ['DEBUG', 'RELOAD']),
      );
      await administer(server, ['CONFIG', 'SET', 'key-load-delay', 0]);
    },
  },
  {
    name: 'read-only',
    breaks: 'server made a replica (READONLY)',
    rounds: [1, 4],
    inject: async (server, load) => {
      // A replica of a closed port, so that it keeps its data.
      const nobody = await freePort();
      await load.during(async () => {
        await administer(server, ['REPLICAOF', LOOPBACK, nobody]);
        await sleep(STATE_MS);
        await administer(server, ['REPLICAOF', 'NO', 'ONE']);
      });
    },
  },
  {
    name: 'out-of-memory',
    breaks: 'memory full and eviction off (OOM)',
    args: ['--maxmemory-policy', 'noeviction'],
    rounds: [1, 4],
    inject: (server, load) =>
      load.during(async () => {
        await administer(server, ['CONFIG', 'SET', 'maxmemory', 1]);
        await sleep(STATE_MS);
        await administer(server, ['CONFIG', 'SET', 'maxmemory', 0]);
      }),
  },
  {
    name: 'max-clients',
    breaks: 'maxclients reached, connections refused',
    rounds: [1, 4],
    inject: (server, load) =>
      load.during(() =>
        // Allows only this connection and one other.
        withRawClient(server.url, async (client) => {
          await client.call('CONFIG', 'SET', 'maxclients', 2);
          await client.call(...(KILL_ALL as [string, ...string[]]));
          await withRawClient(server.url, () => sleep(STATE_MS));
          await client.call('CONFIG', 'SET', 'maxclients', 10_000);
        }),
      ),
  },
];

async function single(args: string[]) {
  const server = await startObedientServer({ args });
  return { url: server.url, servers: [server], stop: () => server.stop() };
}

async function cluster(args: string[]) {
  const { url, nodes, stop } = await startCluster(3, { args });
  return { url, servers: nodes.slice(1, 2), stop };
}

const backends = [
  { prefix: 'server', what: '', start: single, has: states },
  {
    prefix: 'node',
    what: 'node of a cluster: ',
    start: cluster,
    // REPLICAOF is not allowed on cluster nodes, and connections between nodes count against maxclients.
    has: states.filter(({ name }) => name !== 'read-only' && name !== 'max-clients' && name !== 'loading'),
  },
];

/** Every state of a single server and, where possible, of one node of a cluster. */
export const refusals: readonly Scenario[] = backends.flatMap(({ prefix, what, start, has }) =>
  has.map(
    ({ name, breaks, args = [], rounds, inject }): Scenario => ({
      name: `${prefix}-${name}`,
      breaks: `${what}${breaks}`,
      async run(run) {
        const { url, servers, stop } = await start(args);
        try {
          return await underLoad({ env: { DRAGONFLY_URL: url } }, async (load) => {
            for (let round = 0; round < run.pick(...rounds); round++) {
              for (const server of servers) await inject(server, load, run);
              await sleep(run.pick(50, 200));
            }
          });
        } finally {
          await stop();
        }
      },
    }),
  ),
);
