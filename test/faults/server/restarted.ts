import { setTimeout as sleep } from 'node:timers/promises';
import { startCluster } from '../../support/engines/cluster.ts';
import { type Server, startServer } from '../../support/engines/server.ts';
import { underLoad } from '../harness/experiment.ts';
import type { Scenario } from '../harness/scenario.ts';

/** A way in which a server is unavailable for some time. */
interface Absence {
  name: string;
  breaks: string;
  /** Arguments of the server. */
  args?: string[];
  go(server: Server): Promise<void>;
  comeBack(server: Server): Promise<void>;
}

const absences: Absence[] = [
  {
    name: 'killed',
    breaks: 'killed, comes back empty',
    go: (server) => server.kill(),
    comeBack: (server) => server.restart(),
  },
  {
    name: 'killed-with-data',
    breaks: 'killed, comes back with its data',
    // The server writes every command to the file before it replies.
    args: ['--appendonly', 'yes', '--appendfsync', 'always'],
    go: (server) => server.kill(),
    comeBack: (server) => server.restart(),
  },
  {
    name: 'stopped',
    breaks: 'stopped (SIGSTOP), then continued',
    go: async (server) => server.pause(),
    comeBack: async (server) => server.resume(),
  },
];

/** Durations of the absence, in milliseconds: shorter than a request's timeout, about as long, and longer. */
const SHORT_MS = [200, 1200];
const LONG_MS = [100, 400, 850, 950, 2000, 6000];

/** Shorter than the longest absence. */
const NODE_TIMEOUT_MS = 5000;

async function single(args: string[]) {
  const server = await startServer({ args });
  return { url: server.url, victim: server, stop: () => server.stop() };
}

async function cluster(args: string[]) {
  const { url, nodes, stop } = await startCluster(3, { args, nodeTimeoutMs: NODE_TIMEOUT_MS });
  return { url, victim: nodes[1] as Server, stop };
}

const backends = [
  { prefix: 'server', what: 'server', start: single, load: {} },
  // A node that was away for longer than the node timeout rejoins after twice that time. Until then the cluster serves no slot.
  { prefix: 'node', what: 'node of a cluster', start: cluster, load: { graceMs: 15_000 } },
] as const;

/** Every kind of absence, of a single server and of one node of a cluster. */
export const restarts: readonly Scenario[] = backends.flatMap(({ prefix, what, start, load }) =>
  absences.map(
    ({ name, breaks, args = [], go, comeBack }): Scenario => ({
      name: `${prefix}-${name}`,
      breaks: `${what} ${breaks}`,
      async run({ pick }) {
        const { url, victim, stop } = await start(args);
        try {
          return await underLoad({ env: { DRAGONFLY_URL: url }, load }, async (load) => {
            for (const awayMs of pick(SHORT_MS, LONG_MS)) {
              await load.during(async () => {
                await go(victim);
                await sleep(awayMs);
                await comeBack(victim);
              });
              await sleep(pick(100, 500));
            }
          });
        } finally {
          await stop();
        }
      },
    }),
  ),
);
