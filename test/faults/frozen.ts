import { setTimeout as sleep } from 'node:timers/promises';
import { type LambdaFunction, startFunction } from '../bundles/lambda.ts';
import { masters, withRawClient } from '../support/engines/inspect.ts';
import { functionCaller } from './harness/caller.ts';
import { now } from './harness/clock.ts';
import type { Figures } from './harness/figures.ts';
import { Load } from './harness/load.ts';
import type { Run, Scenario } from './harness/scenario.ts';
import { type ProxiedBackend, proxiedCluster, proxiedServer } from './proxied.ts';

/** What happens to a function's connections while it is frozen. */
type Cut = 'reset' | 'ended' | 'dark' | 'idle';

/** Redis's `timeout` setting, in seconds: it closes connections that have been idle for longer. 1 is the minimum. */
const IDLE_TIMEOUT_S = 1;
/** Time after which the server has closed idle connections, in milliseconds. It checks its clients in turns. */
const IDLE_MS = 2500;

const cuts: Record<Cut, (backend: ProxiedBackend) => Promise<void>> = {
  reset: async ({ proxies }) => {
    for (const proxy of proxies) proxy.reset();
  },
  ended: ({ directUrl }) => onNodes(directUrl, ['CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes']),
  dark: async ({ proxies }) => {
    for (const proxy of proxies) {
      proxy.drop();
      proxy.heal();
    }
  },
  idle: async ({ directUrl }) => {
    await onNodes(directUrl, ['CONFIG', 'SET', 'timeout', String(IDLE_TIMEOUT_S)]);
    await sleep(IDLE_MS);
    await onNodes(directUrl, ['CONFIG', 'SET', 'timeout', '0']);
  },
};

async function onNodes(url: string, command: [string, ...string[]]): Promise<void> {
  await withRawClient(url, async (client) => {
    await Promise.all(masters(client).map((node) => node.call(...command)));
  });
}

/**
 * BACKEND_TIMEOUT_MS in the short form. A function on a busy machine must detect a dead connection and send the command again before it
 * times out. Only the calling process measures how long it waits for the processor. The long form has the default.
 */
const PATIENT_TIMEOUT_MS = '1800';

const OPERATIONS = ['get', 'set', 'lease', 'delete', 'invalidate'] as const;
const KEYS = 8;

/** Repeatedly freezes five functions, breaks their connections, and invokes each function. */
async function freezeAndCut(
  backend: ProxiedBackend,
  order: Cut[],
  backendTimeoutMs: string,
): Promise<Figures> {
  const functions: Partial<Record<(typeof OPERATIONS)[number], LambdaFunction>> = {};
  try {
    for (const operation of OPERATIONS) {
      functions[operation] = await startFunction(operation, {
        DRAGONFLY_URL: backend.url,
        LOG_LEVEL: 'WARN',
        BACKEND_TIMEOUT_MS: backendTimeoutMs,
      });
    }
    // No background load: each function is invoked once after each cut.
    const load = new Load(functionCaller(functions), { callers: 0 });
    const [tenant = ''] = load.mix.tenants;
    const slowest: Partial<Record<Cut, number>> = {};
    for (const [round, cut] of order.entries()) {
      await cuts[cut](backend);
      const begun = now();
      const key = (back: number) => `k:${(round + KEYS - back) % KEYS}`;
      await Promise.all([
        load.ask(load.mix.set(tenant, key(0), 300)),
        load.ask({ operation: 'get', tenant, key: key(1) }),
        load.ask(load.mix.lease(tenant, key(3))),
        load.ask(load.mix.fill() ?? load.mix.lease(tenant, key(4))),
        load.ask({ operation: 'delete', tenant, key: key(5) }),
        load.ask({ operation: 'invalidate', tenant, pattern: `?:${(round + 2) % KEYS}` }),
      ]);
      slowest[cut] = Math.max(slowest[cut] ?? 0, now() - begun);
    }
    const figures = await load.stop();
    for (const [cut, ms] of Object.entries(slowest))
      figures.notes[`slowest after ${cut}`] = `${Math.round(ms)} ms`;
    figures.notes.cycles = order.length * OPERATIONS.length;
    return figures;
  } finally {
    await Promise.all(Object.values(functions).map((instance) => instance.stop()));
  }
}

function orderOf(rounds: number, idle: number): Cut[] {
  const quick: Cut[] = ['reset', 'ended', 'dark'];
  const order = Array.from({ length: rounds }, (_, round) => quick[round % quick.length] as Cut);
  return [...order, ...Array.from({ length: idle }, (): Cut => 'idle')];
}

/** Rounds in the short form and in the long form, each with five functions. The long forms have a thousand cycles together. */
const backends = [
  { name: 'frozen', what: 'its connection', start: proxiedServer, rounds: [9, 215] },
  {
    name: 'frozen-cluster',
    what: 'its connections to a cluster',
    start: proxiedCluster,
    rounds: [6, 30],
  },
] as const;

export const frozenFunctions: readonly Scenario[] = backends.map(
  ({ name, what, start, rounds }): Scenario => ({
    name,
    breaks: `function frozen, and ${what} cut meanwhile`,
    async run({ pick }: Run) {
      const backend = await start();
      try {
        const order = orderOf(pick(rounds[0], rounds[1]), pick(1, 3));
        return await freezeAndCut(backend, order, pick(PATIENT_TIMEOUT_MS, ''));
      } finally {
        await backend.stop();
      }
    },
  }),
);
