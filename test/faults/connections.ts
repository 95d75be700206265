import { setTimeout as sleep } from 'node:timers/promises';
import { underLoad } from './harness/experiment.ts';
import type { Load } from './harness/load.ts';
import type { Run, Scenario } from './harness/scenario.ts';
import { proxiedCluster, proxiedServer } from './proxied.ts';
import type { FaultProxy } from './proxy.ts';

/** A fault of connections. */
interface Fault {
  name: string;
  breaks: string;
  injectedDelayMs?: number;
  /** Injects the fault once. If requests may fail because of it, this happens within `load.during`. */
  inject(proxies: readonly FaultProxy[], load: Load, round: number): Promise<unknown>;
  /** Number of rounds in the short form and in the long form. */
  rounds: [short: number, long: number];
}

/** Longer than the socket timeout, and longer than the timeout of a request. In milliseconds. */
const BEYOND_SOCKET_MS = 600;
const BEYOND_REQUEST_MS = 1400;
const LATENCY_MS = 200;
/** Enough for about forty entries per second. */
const TRICKLE_BYTES_PER_SECOND = 40_000;

const forAll = (proxies: readonly FaultProxy[], action: (proxy: FaultProxy) => unknown) => {
  for (const proxy of proxies) action(proxy);
};

const faultList: Fault[] = [
  {
    name: 'reset',
    breaks: 'connections reset repeatedly',
    // Not within `load.during`: no request may fail.
    inject: async (proxies) => {
      forAll(proxies, (proxy) => proxy.reset());
      await sleep(250);
    },
    rounds: [8, 40],
  },
  {
    name: 'dark',
    breaks: 'connections gone silent, new ones work',
    inject: async (proxies, load) => {
      const goDark = async () => {
        forAll(proxies, (proxy) => proxy.drop());
        forAll(proxies, (proxy) => proxy.heal());
      };
      // A single connection is replaced in time for every request. On a cluster a request may use several silent connections in turn.
      if (proxies.length === 1) await goDark();
      else await load.during(goDark);
      await sleep(1000);
    },
    rounds: [3, 8],
  },
  {
    name: 'network-dark',
    breaks: 'network drops all bytes',
    inject: async (proxies, load) => {
      await load.during(async () => {
        forAll(proxies, (proxy) => proxy.drop());
        await sleep(BEYOND_REQUEST_MS);
        forAll(proxies, (proxy) => proxy.heal());
      });
      await sleep(200);
    },
    rounds: [2, 5],
  },
  {
    name: 'half-open',
    breaks: 'half-open: commands arrive, responses are lost',
    inject: async (proxies, load, round) => {
      await load.during(async () => {
        forAll(proxies, (proxy) => proxy.dropResponses());
        await sleep(round % 2 ? BEYOND_REQUEST_MS : BEYOND_SOCKET_MS);
        forAll(proxies, (proxy) => proxy.heal());
      });
      await sleep(200);
    },
    rounds: [2, 6],
  },
  {
    name: 'late',
    breaks: 'commands arrive only after their connection was abandoned',
    inject: async (proxies, load) => {
      await load.during(async () => {
        forAll(proxies, (proxy) => proxy.strand());
        await sleep(BEYOND_SOCKET_MS);
        forAll(proxies, (proxy) => proxy.release());
      });
      await sleep(200);
    },
    rounds: [4, 9],
  },
  {
    name: 'latency',
    breaks: `${LATENCY_MS} ms of latency`,
    injectedDelayMs: LATENCY_MS,
    inject: async (proxies, load) => {
      await load.during(async () => {
        forAll(proxies, (proxy) => proxy.delay(LATENCY_MS));
        await sleep(2000);
        forAll(proxies, (proxy) => proxy.delay(0));
      });
      await sleep(200);
    },
    rounds: [1, 3],
  },
  {
    name: 'trickle',
    breaks: `connections limited to ${TRICKLE_BYTES_PER_SECOND / 1000} kB per second`,
    inject: async (proxies, load) => {
      await load.during(async () => {
        forAll(proxies, (proxy) => proxy.throttle(TRICKLE_BYTES_PER_SECOND));
        await sleep(2000);
        forAll(proxies, (proxy) => proxy.throttle(Number.POSITIVE_INFINITY));
      });
      await sleep(200);
    },
    rounds: [1, 3],
  },
];

const backends = [
  { prefix: 'connection', what: '', start: proxiedServer },
  { prefix: 'cluster-connection', what: 'cluster: ', start: proxiedCluster },
] as const;

/** Every fault, on the connection to a single server and on the connections to a cluster's nodes. */
export const brokenConnections: readonly Scenario[] = backends.flatMap(({ prefix, what, start }) =>
  faultList.map(
    ({ name, breaks, injectedDelayMs = 0, inject, rounds }): Scenario => ({
      name: `${prefix}-${name}`,
      breaks: `${what}${breaks}`,
      async run({ pick }: Run) {
        const backend = await start();
        try {
          return await underLoad({ env: { DRAGONFLY_URL: backend.url }, injectedDelayMs }, async (load) => {
            for (let round = 0; round < pick(...rounds); round++) {
              await inject(backend.proxies, load, round);
            }
          });
        } finally {
          await backend.stop();
        }
      },
    }),
  ),
);
