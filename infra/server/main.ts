import cluster from 'node:cluster';
import type { Config } from '../../lib/config/config.ts';
import { ConfigError } from '../../lib/config/parse.ts';
import { writeToStdout } from '../../lib/log/sink.ts';
import { routes } from '../../lib/routes.ts';
import { banner } from './banner.ts';
import { findDocs } from './docs/index.ts';
import { explainStart } from './explain.ts';
import { serve } from './serve.ts';
import { createWorkers } from './workers.ts';

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
if (config.workers > 1 && !config.backend && config.secretArn === undefined) {
  const problem =
    'must be 1 without DRAGONFLY_URL or DRAGONFLY_SECRET_ARN: processes cannot share entries in memory';
  giveUp(new ConfigError('SERVICE_WORKERS', problem));
}
const docs = findDocs();
const server =
  config.workers > 1 && cluster.isPrimary
    ? createWorkers({
        host: config.host,
        port: config.port,
        count: config.workers,
        log,
        write: writeToStdout,
        onFailure: () => process.exit(1),
      })
    : await startService().then(
        (service) => serve(config, log, service, docs),
        (error) => giveUp(error),
      );

// Registered before the banner: a supervisor may send a signal as soon as it reads the banner.
let stopping = false;
const stop = (): void => {
  // Under npm, Ctrl-C sends two signals, one from the terminal and one from npm.
  if (stopping) return;
  stopping = true;
  server.stop().then(() => process.exit(0));
};
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, stop);
// npm runs the script in a shell and sends SIGTERM to that shell. Some shells, such as Debian's dash, end without forwarding it.
// The system then gives this process another parent. (`exec node` in package.json would do, but cmd.exe has no `exec`.)
if (process.env.npm_lifecycle_event === 'start') {
  setInterval(() => process.ppid !== parentPid && stop(), PARENT_CHECK_MS).unref();
}

const { backendProblem, ...started } = await server.listen().catch((error) => giveUp(error, config));
// Of several workers, the first reports the problem, and the primary process prints the banner.
if (backendProblem !== undefined && (cluster.worker?.id ?? 1) === 1) {
  process.stderr.write(`${backendProblem}\n`);
}
if (cluster.isPrimary) {
  process.stdout.write(`${banner(config, routes, { ...started, docs: docs !== undefined })}\n`);
}

function giveUp(error: unknown, at?: Pick<Config, 'host' | 'port'>): never {
  const line = explainStart(error, at);
  if (line === undefined) throw error;
  process.stderr.write(`${line}\n`);
  process.exit(1);
}
