import { setTimeout as sleep } from 'node:timers/promises';
import { underLoad } from './harness/experiment.ts';
import type { Load } from './harness/load.ts';
import type { Run, Scenario } from './harness/scenario.ts';
import { proxiedCluster, proxiedServer } from './proxied.ts';
import type { FaultProxy } from './proxy.ts';

/** Something that happens to connections. */
interface Trouble {
  name: string;
  breaks: string;
  injectedDelayMs?: number;
  /** One round of it, explained by `load.during` as far as callers may notice. */
  happen(proxies: readonly FaultProxy[], load: Load, round: number): Promise<unknown>;
  /** Rounds in the short form and in the long one. */
  rounds: [short: number, long: number];
}

/** Longer than silence is borne on a connection, and longer than a request waits. */
const BEYOND_SOCKET_MS = 600;
const BEYOND_REQUEST_MS = 1400;
const LATENCY_MS = 200;
/** Carries some forty entries a second. */
const TRICKLE_BYTES_PER_SECOND = 40_000;

const forAll = (proxies: readonly FaultProxy[], action: (proxy: FaultProxy) => unknown) => {
  for (const proxy of proxies) action(proxy);
};

const troubles: Trouble[] = [
  {
    name: 'reset',
    breaks: 'connections reset, time and again',
    // Not during a fault: no request may fail.
    happen: async (proxies) => {
      forAll(proxies, (proxy) => proxy.reset());
      await sleep(250);
    },
    rounds: [8, 40],
  },
  {
    name: 'dark',
    breaks: 'connections gone dark, new ones work',
    happen: async (proxies, load) => {
      const goDark = async () => {
        forAll(proxies, (proxy) => proxy.drop());
        forAll(proxies, (proxy) => proxy.heal());
      };
      // One connection is replaced in time for every request. Of several a request may meet one after the other.
      if (proxies.length === 1) await goDark();
      else await load.during(goDark);
      await sleep(1000);
    },
    rounds: [3, 8],
  },
  {
    name: 'network-dark',
    breaks: 'network swallows everything',
    happen: async (proxies, load) => {
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
    breaks: 'half-open: commands arrive, answers are lost',
    happen: async (proxies, load, round) => {
      await load.during(async () => {
        forAll(proxies, (proxy) => proxy.dropAnswers());
        await sleep(round % 2 ? BEYOND_REQUEST_MS : BEYOND_SOCKET_MS);
        forAll(proxies, (proxy) => proxy.heal());
      });
      await sleep(200);
    },
    rounds: [2, 6],
  },
  {
    name: 'late',
    breaks: 'what was sent arrives only after the connection was given up',
    happen: async (proxies, load) => {
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
    happen: async (proxies, load) => {
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
    breaks: `connections that carry ${TRICKLE_BYTES_PER_SECOND / 1000} kB a second`,
    happen: async (proxies, load) => {
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

/** Every trouble, with the connection to a single server and with those to a cluster's nodes. */
export const brokenConnections: readonly Scenario[] = backends.flatMap(({ prefix, what, start }) =>
  troubles.map(
    ({ name, breaks, injectedDelayMs = 0, happen, rounds }): Scenario => ({
      name: `${prefix}-${name}`,
      breaks: `${what}${breaks}`,
      async run({ pick }: Run) {
        const backend = await start();
        try {
          return await underLoad({ env: { DRAGONFLY_URL: backend.url }, injectedDelayMs }, async (load) => {
            for (let round = 0; round < pick(...rounds); round++) {
              await happen(backend.proxies, load, round);
            }
          });
        } finally {
          await backend.stop();
        }
      },
    }),
  ),
);
