import { masters, withRawClient } from '../../support/engines/inspect.ts';
import { startServer } from '../../support/engines/server.ts';
import type { Call } from '../harness/caller.ts';
import { underLoad } from '../harness/experiment.ts';
import type { Load } from '../harness/load.ts';
import type { Scenario } from '../harness/scenario.ts';

const KEYS = 50;

/**
 * A server that is restored from an older snapshot has lost later invalidations. The removed entries are back together with their
 * generation, so the store cannot distinguish them from entries that were never removed.
 */
export const snapshot: Scenario = {
  name: 'server-snapshot',
  breaks: 'server killed, comes back with a snapshot from before an invalidation',
  knownLimit: 'a backend that is restored from an older state returns entries that were invalidated since',
  async run() {
    const server = await startServer();
    try {
      // Hardly any other removals, so that the reappeared entries can be read.
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
