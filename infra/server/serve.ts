import type { AddressInfo } from 'node:net';
import type { Config } from '../../lib/config/config.ts';
import type { Log } from '../../lib/log/log.ts';
import { fallback, routes } from '../../lib/routes.ts';
import type { Service } from '../../lib/service.ts';
import { createCors } from './cors.ts';
import type { Docs } from './docs/index.ts';
import { explainBackend } from './explain.ts';
import { loadHandlers } from './invoke.ts';
import { createRouter } from './router.ts';
import { createGateway, type Gateway } from './server.ts';

/** Maximum time for running requests to finish after the process was asked to stop. */
const SHUTDOWN_GRACE_MS = 5000;

/** Serves requests, in this process or in worker processes. */
export interface ServerProcess {
  /** Starts to listen. Rejects with the error of `listen`. */
  listen: () => Promise<Listening>;
  /** Finishes the running requests, for a limited time, and closes everything. */
  stop: () => Promise<void>;
}

export interface Listening {
  /** The address as the system reports it, and the port in use. */
  address: string;
  port: number;
  /** The processes that serve requests, if they are several. */
  workerPids?: readonly number[];
  /** One line about a backend that does not answer yet. */
  backendProblem?: string | undefined;
}

/** Creates the server that serves requests in this process. */
export async function serve(
  config: Config,
  log: Log,
  service: Service,
  docs: Docs | undefined,
): Promise<ServerProcess> {
  const names = [...routes, fallback].map(({ name }) => name);
  const handlers = await loadHandlers(names, new URL('../../functions/', import.meta.url));
  if (docs) handlers.set(docs.name, docs.handler);
  const router = createRouter(routes, fallback);
  const cors = config.corsOrigins.length > 0 ? createCors(config.corsOrigins) : undefined;
  const gateway = createGateway(
    docs?.before(router) ?? router,
    {
      handlers,
      onFault: (name, error) => log.error('function failed', { function: name, cause: error }),
    },
    { cors },
  );
  return {
    listen: async () => {
      const backendProblem = await service.store.ping().then(
        () => undefined,
        (error) => explainBackend(error, config.backend?.tls ?? false),
      );
      const { address, port } = await listen(gateway, config);
      return { address, port, backendProblem };
    },
    stop: async () => {
      await gateway.stop(SHUTDOWN_GRACE_MS);
      await service.stop();
    },
  };
}

/** Starts to listen. @returns the address and port in use */
function listen({ server }: Gateway, { host, port }: Pick<Config, 'host' | 'port'>): Promise<AddressInfo> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      server.off('error', reject);
      resolve(server.address() as AddressInfo);
    });
  });
}
