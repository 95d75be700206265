import { setTimeout as sleep } from 'node:timers/promises';
import { infoFields } from '../../support/engines/inspect.ts';
import { underLoad } from '../harness/experiment.ts';
import type { Scenario } from '../harness/scenario.ts';
import { type Policy, smallServer } from './caches.ts';

/** Memory for about a thousand entries, a fraction of those that are requested, and for the buffers of connections. */
const MEMORY_BYTES = 900_000;

/** Few removals, so that memory is exhausted between them. */
const LOAD = {
  callers: 32,
  pauseMs: 0,
  keysPerTenant: 2000,
  ttlsSeconds: [2, 60, 300],
  weights: { get: 500, set: 480, delete: 10, invalidate: 3, clear: 1 },
};

/** Timeout for the evictions, in milliseconds. Long enough for a busy machine. */
const TIMEOUT_MS = 100_000;
const POLL_MS = 100;

/** A server that evicts continuously, also helper keys. */
export function shortOfMemory(policy: Policy): Scenario {
  return {
    name: `evicting-${policy}`,
    breaks: `short of memory, \`${policy}\``,
    async run({ pick, log }) {
      const wanted = pick(400, 1500);
      const { server, raw, limit, stop } = await smallServer(policy, MEMORY_BYTES);
      const evicted = async () => Number((await infoFields(raw, 'stats')).evicted_keys);
      try {
        const figures = await underLoad({ env: { DRAGONFLY_URL: server.url }, load: LOAD }, async () => {
          // Set the limit only now that the service's connections and buffers exist, so that they do not cause evictions.
          await limit();
          log(`waiting for ${wanted.toLocaleString('en-US')} evictions`);
          for (const end = Date.now() + TIMEOUT_MS; (await evicted()) < wanted; await sleep(POLL_MS)) {
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
