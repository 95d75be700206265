import { masters, withRawClient } from '../../support/engines/inspect.ts';
import { startServer } from '../../support/engines/server.ts';
import type { Call } from '../harness/caller.ts';
import { underLoad } from '../harness/experiment.ts';
import type { Load } from '../harness/load.ts';
import type { Scenario } from '../harness/scenario.ts';

const KEYS = 50;

/**
 * A server that comes back with an older state has forgotten invalidations, and what they removed is there again, generation
 * and all: nothing in the store tells it from what was never removed.
 */
export const snapshot: Scenario = {
  name: 'server-snapshot',
  breaks: 'server killed, back with a snapshot from before an invalidation',
  knownLimit: 'a backend that comes back with an older state brings back what was invalidated since',
  async run() {
    const server = await startServer();
    try {
      // Nothing else meanwhile, so that what comes back is there to be read.
      const load = { callers: 1, pauseMs: 20, weights: { delete: 0, invalidate: 1, clear: 0 } };
      return await underLoad({ env: { DRAGONFLY_URL: server.url }, load }, async (load) => {
        const tenant = `${load.mix.tenants[0]}-restored`;
        const keys = Array.from({ length: KEYS }, (_, i) => `restored:${i}`);
        await askAll(
          load,
          keys.map((key) => load.mix.set(tenant, key, 300)),
        );
        await withRawClient(server.url, (client) => Promise.all(masters(client).map((node) => node.save())));
        await load.ask({ operation: 'invalidate', tenant, pattern: 'restored:*' });
        await load.during(() => server.restart());
        await askAll(
          load,
          keys.map((key) => ({ operation: 'get', tenant, key })),
        );
      });
    } finally {
      await server.stop();
    }
  },
};

async function askAll(load: Load, calls: Call[]): Promise<void> {
  await Promise.all(calls.map((call) => load.ask(call)));
}
