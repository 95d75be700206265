import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { vi } from 'vitest';
import type { Handler } from '../../infra/server/invoke.ts';
import { fallback, type Operation, routes } from '../../lib/routes.ts';
import type { CacheStore } from '../../lib/store/store.ts';
import { startTestGateway } from '../http/gateway-echo.ts';
import { startService } from '../http/service.ts';
import { commandLine } from '../support/engines/command-line.ts';
import { findClusterEngine } from '../support/engines/find.ts';
import { rawClient } from '../support/engines/inspect.ts';
import { freePort, LOOPBACK } from '../support/engines/ports.ts';
import { startProcess } from '../support/engines/process.ts';
import { startServer } from '../support/engines/server.ts';
import { IMPATIENT } from '../support/patience.ts';

/** A service in a given state. `stop` also stops its backend. */
export interface StartedService {
  port: number;
  stop: () => Promise<unknown>;
}

/** A service with an unreachable backend. */
export async function startWithBackendAway(): Promise<StartedService> {
  const server = await startServer();
  await server.kill();
  const service = await startService({ ...IMPATIENT, DRAGONFLY_URL: server.url });
  const stop = async () => {
    await service.stop();
    await server.stop();
  };
  return { port: service.port, stop };
}

/** The first command of each operation. */
const FORBIDDEN = ['PING', 'MGET', 'GET', 'EVAL', 'EVALSHA', 'STRLEN', 'ZCARD'];

/** A service with a backend that does not know the commands of the service, which is an unexpected error. */
export async function startWithForeignBackend(): Promise<StartedService> {
  const engine = await findClusterEngine();
  const directory = await mkdtemp(join(tmpdir(), 'cache-foreign-'));
  const port = await freePort();
  const args = FORBIDDEN.flatMap((command) => ['--rename-command', command, '']);
  const spec = { port, directory, password: undefined, users: {}, certificates: undefined, args };
  const server = await startProcess(engine.path, await commandLine(engine.name, spec), directory);
  const url = `redis://${LOOPBACK}:${port}`;
  await vi.waitFor(async () => (await rawClient(url)).disconnect(), { timeout: 20_000, interval: 50 });
  const service = await startService({ DRAGONFLY_URL: url });
  const stop = async () => {
    await service.stop();
    await server.kill();
    await rm(directory, { recursive: true, force: true });
  };
  return { port: service.port, stop };
}

interface InProcess extends StartedService {
  store: CacheStore;
}

/** Changes an event and its context before a function is invoked with them. */
type Change = (...given: Parameters<Handler>) => Parameters<Handler>;

/** The functions in this process, with the memory store, behind a gateway that changes events and contexts. */
export async function startInProcess(env: Record<string, string>, change: Change): Promise<InProcess> {
  vi.resetModules();
  for (const [name, value] of Object.entries({ DRAGONFLY_URL: '', ...env })) vi.stubEnv(name, value);
  // The log would clutter the output of the tests.
  const silent = vi.spyOn(process.stdout, 'write').mockReturnValue(true);
  const service = await import('../../lib/service.ts');
  const { store, stop: stopService } = await service.startService();
  const handlers: Record<string, Handler> = {};
  for (const name of [...routes, fallback].map((route): Operation => route.name)) {
    const { handler } = await import(`../../functions/${name}.ts`);
    handlers[name] = (event, context) => handler(...change(event, context));
  }
  vi.unstubAllEnvs();
  const gateway = await startTestGateway(routes, handlers);
  const stop = async () => {
    await gateway.stop(0);
    await stopService();
    silent.mockRestore();
  };
  return { port: gateway.port, store, stop };
}

/** More entries than an invalidation removes before it checks the time. */
const MANY = 15_000;

/** A service in which invalidations run out of time, with a tenant that has many entries with the prefix. */
export async function startOutOfTime(tenant: string, prefix: string): Promise<StartedService> {
  const started = await startInProcess({}, (event, context) => [
    event,
    { ...context, getRemainingTimeInMillis: () => 0 },
  ]);
  for (let i = 0; i < MANY; i++) await started.store.set(tenant, `${prefix}${i}`, '1', 300);
  return started;
}

/** A service whose callers send a token of the tenant. */
export function startWithTokens(tenant: string): Promise<StartedService> {
  const authorizer = { jwt: { claims: { tenant_id: tenant }, scopes: [] } };
  return startInProcess({ TENANT_CLAIM: 'tenant_id' }, (event, context) => [
    { ...event, requestContext: { ...event.requestContext, authorizer } } as typeof event,
    context,
  ]);
}
