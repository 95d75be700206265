import type { AddressInfo } from 'node:net';
import { ConfigError } from '../../lib/env.ts';
import { fallback, routes } from '../../lib/http/routes.ts';
import { banner } from './banner.ts';
import { loadHandlers } from './invoke.ts';
import { createRouter } from './router.ts';
import { createGateway, type Gateway } from './server.ts';

/** How long requests under way may take to finish once the process is told to stop, in milliseconds. */
const SHUTDOWN_GRACE_MS = 5000;

const { config, endTelemetry, store } = await import('../../lib/service.ts').catch(explainSettings);
const { log } = await import('../../lib/settings.ts');

const names = [...routes, fallback].map(({ name }) => name);
const gateway = createGateway(createRouter(routes, fallback), {
  handlers: await loadHandlers(names, new URL('../../functions/', import.meta.url)),
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

const backendAnswers = await store.ping().then(
  () => true,
  () => false,
);
const port = await listen(gateway, config.port).catch(explainPort);
if (!backendAnswers) {
  process.stderr.write('The backend does not answer yet: until it does, requests are answered 503.\n');
}
process.stdout.write(`${banner(config, routes, port)}\n`);

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

/** One line for what whoever started the process can put right; the stack is for what they cannot. */
function explainSettings(error: unknown): never {
  if (error instanceof ConfigError) exit(error.message);
  throw error;
}

function explainPort(error: NodeJS.ErrnoException): never {
  if (error.code === 'EADDRINUSE') exit(`SERVICE_PORT ${config.port} is in use by another process`);
  if (error.code === 'EACCES') exit(`SERVICE_PORT ${config.port} needs more rights than this process has`);
  throw error;
}

function exit(line: string): never {
  process.stderr.write(`${line}\n`);
  process.exit(1);
}
