import { setTimeout as sleep } from 'node:timers/promises';
import { infoFields } from '../../support/engines/inspect.ts';
import { underLoad } from '../harness/experiment.ts';
import type { Scenario } from '../harness/scenario.ts';
import { type Policy, smallServer } from './caches.ts';

/** Room for a thousand entries, which is a fraction of what is asked for, and for the buffers of connections. */
const MEMORY_BYTES = 900_000;

/** Removals so few that memory runs short in between. */
const LOAD = {
  callers: 32,
  pauseMs: 0,
  keysPerTenant: 2000,
  ttlsSeconds: [2, 60, 300],
  weights: { get: 500, set: 480, delete: 10, invalidate: 3, clear: 1 },
};

/** However busy the machine is, so many will have been evicted after this time, in milliseconds. */
const PATIENCE_MS = 100_000;
const LOOK_MS = 100;

/** A server that evicts all the time, helper keys among the rest. */
export function shortOfMemory(policy: Policy): Scenario {
  return {
    name: `evicting-${policy}`,
    breaks: `short of memory, \`${policy}\``,
    async run({ pick, say }) {
      const wanted = pick(400, 1500);
      const { server, raw, limit, stop } = await smallServer(policy, MEMORY_BYTES);
      const evicted = async () => Number((await infoFields(raw, 'stats')).evicted_keys);
      try {
        const figures = await underLoad({ env: { DRAGONFLY_URL: server.url }, load: LOAD }, async () => {
          // Once the service's connections and the buffers of its load are there, which are not to be evicted for.
          await limit();
          say(`until ${wanted.toLocaleString('en-US')} keys are evicted`);
          for (const end = Date.now() + PATIENCE_MS; (await evicted()) < wanted; await sleep(LOOK_MS)) {
            if (Date.now() > end) throw new Error(`Only ${await evicted()} keys were evicted`);
          }
        });
        figures.notes.evicted = await evicted();
        return figures;
      } finally {
        await stop();
      }
    },
  };
}
