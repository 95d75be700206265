import { setTimeout as sleep } from 'node:timers/promises';
import { startService } from '../http/service.ts';
import { LONG_RUN } from '../support/long-run.ts';
import { type Backend, backends } from './backends.ts';
import { clientStore } from './client-store.ts';

/** A backend behind a running service, which is called through the client. */
function overTheWire({ name, url }: Backend): Backend {
  return {
    name: `${name}, over the wire`,
    // Not undefined, unlike the embedded store alone: a test cannot advance the clock of the service.
    url: url ?? 'memory',
    open: async () => {
      const service = await startService(url === undefined ? {} : { DRAGONFLY_URL: url });
      const store = clientStore(service.url, url === undefined ? 'memory' : 'dragonfly');
      return {
        store: { ...store, close: () => service.stop() },
        now: Date.now,
        pass: (ms) => sleep(ms),
      };
    },
  };
}

/** Every store; in a long run also each of them through the service and the client. */
export const everywhere: Backend[] = LONG_RUN ? [...backends, ...backends.map(overTheWire)] : backends;
