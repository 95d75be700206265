import type { AddressInfo } from 'node:net';
import type { Config } from '../../lib/config/config.ts';
import { ConfigError } from '../../lib/config/parse.ts';
import { fallback, routes } from '../../lib/routes.ts';
import { banner } from './banner.ts';
import { createCors } from './cors.ts';
import { findDocs } from './docs/index.ts';
import { explainBackend, explainStart } from './explain.ts';
import { loadHandlers } from './invoke.ts';
import { createRouter } from './router.ts';
import { createGateway, type Gateway } from './server.ts';

/** Maximum time for running requests to finish after the process was asked to stop. */
const SHUTDOWN_GRACE_MS = 5000;

/** Interval at which the parent process is checked under npm. */
const PARENT_CHECK_MS = 200;

const parentPid = process.ppid;

const { config, log, startService } = await import('../../lib/service.ts').catch((error) => giveUp(error));
// API Gateway verifies tokens and adds their claims to events. Without it, every request would be answered with 401.
if (config.tenantClaim !== undefined) {
  const problem =
    'is for functions behind API Gateway, which verifies the token; the local server verifies none';
  giveUp(new ConfigError('TENANT_CLAIM', `${problem}: leave it unset, and X-Tenant-ID names the tenant`));
}
const service = await startService().catch((error) => giveUp(error));

const names = [...routes, fallback].map(({ name }) => name);
const handlers = await loadHandlers(names, new URL('../../functions/', import.meta.url));
const docs = findDocs();
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

// Registered before the banner: a supervisor may send a signal as soon as it reads the banner.
let stopping = false;
const stop = (): void => {
  // Under npm, Ctrl-C sends two signals, one from the terminal and one from npm.
  if (stopping) return;
  stopping = true;
  shutDown();
};
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, stop);
// npm runs the script in a shell and sends SIGTERM to that shell. Some shells, such as Debian's dash, end without forwarding it.
// The system then gives this process another parent. (`exec node` in package.json would do, but cmd.exe has no `exec`.)
if (process.env.npm_lifecycle_event === 'start') {
  setInterval(() => process.ppid !== parentPid && stop(), PARENT_CHECK_MS).unref();
}

const backendProblem = await service.store.ping().then(
  () => undefined,
  (error) => explainBackend(error, config.backend?.tls ?? false),
);
const { address, port } = await listen(gateway, config).catch((error) => giveUp(error, config));
if (backendProblem !== undefined) process.stderr.write(`${backendProblem}\n`);
process.stdout.write(`${banner(config, routes, { address, port, docs: docs !== undefined })}\n`);

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

async function shutDown(): Promise<void> {
  await gateway.stop(SHUTDOWN_GRACE_MS);
  await service.stop();
  process.exit(0);
}

function giveUp(error: unknown, at?: Pick<Config, 'host' | 'port'>): never {
  const line = explainStart(error, at);
  if (line === undefined) throw error;
  process.stderr.write(`${line}\n`);
  process.exit(1);
}
