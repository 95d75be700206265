import type { AddressInfo } from 'node:net';
import { fallback, routes } from '../../lib/http/routes.ts';
import { banner } from './banner.ts';
import { findDocs } from './docs/index.ts';
import { explainBackend, explainStart } from './explain.ts';
import { loadHandlers } from './invoke.ts';
import { createRouter } from './router.ts';
import { createGateway, type Gateway } from './server.ts';

/** How long requests under way may take to finish once the process is told to stop, in milliseconds. */
const SHUTDOWN_GRACE_MS = 5000;

const { config, endTelemetry, store } = await import('../../lib/service.ts').catch((error) => giveUp(error));
const { log } = await import('../../lib/settings.ts');

const names = [...routes, fallback].map(({ name }) => name);
const handlers = await loadHandlers(names, new URL('../../functions/', import.meta.url));
const docs = findDocs();
if (docs) handlers.set(docs.name, docs.handler);
const router = createRouter(routes, fallback);
const gateway = createGateway(docs?.before(router) ?? router, {
  handlers,
  onFault: (name, error) => log.error('function failed', { function: name, cause: error }),
});

// Before anything is printed: whoever reads that it listens may tell it to stop.
let stopping = false;
for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  process.on(signal, () => {
    // One stop for any number of signals: under npm, Ctrl-C sends two, one from the terminal and one from npm.
    if (stopping) return;
    stopping = true;
    shutDown();
  });
}

const backendProblem = await store.ping().then(
  () => undefined,
  (error) => explainBackend(error, config.backend?.tls ?? false),
);
const port = await listen(gateway, config.port).catch((error) => giveUp(error, config.port));
if (backendProblem !== undefined) process.stderr.write(`${backendProblem}\n`);
process.stdout.write(`${banner(config, routes, { port, docs: docs !== undefined })}\n`);

/**
 * Listens on every interface: in a container the requests come from outside, and a server on the loopback address would
 * not get them. Where the port must not be reached, the host's firewall or the container's published ports say so.
 */
function listen({ server }: Gateway, wanted: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(wanted, () => {
      server.off('error', reject);
      resolve((server.address() as AddressInfo).port);
    });
  });
}

async function shutDown(): Promise<void> {
  await gateway.stop(SHUTDOWN_GRACE_MS);
  await store.close();
  await endTelemetry?.();
  process.exit(0);
}

function giveUp(error: unknown, port?: number): never {
  const line = explainStart(error, port);
  if (line === undefined) throw error;
  process.stderr.write(`${line}\n`);
  process.exit(1);
}
