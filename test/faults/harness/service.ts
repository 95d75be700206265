import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { startProcess } from '../../support/engines/process.ts';

const MAIN = fileURLToPath(new URL('../../../infra/server/main.ts', import.meta.url));
const LAG_TOLD = new URL('./lag-told.ts', import.meta.url).href;
const LISTENS = /^.* listens on http:\/\/localhost:(\d+)$/m;

/** How long a start and a stop may take before they count as failed, in milliseconds. */
const PATIENCE_MS = 60_000;
const POLL_MS = 20;

/** Settings of the service. Of this process's environment only PATH and NODE_COMPILE_CACHE are added. */
export type Environment = Record<string, string>;

export interface Ended {
  /** All that it has written. */
  output: string;
  /** How long the machine kept it waiting at worst, in milliseconds. */
  lagMs: number;
}

/** The local server as `npm start` runs it, for as long as a scenario takes; what it writes goes to a file and costs nobody. */
export interface Service {
  readonly port: number;
  readonly pid: number;
  /** Tells it to stop and waits for its end. @throws Error when it does not end by itself */
  stop(): Promise<Ended>;
}

/** Starts the service on a free port. @throws Error with its output when it does not listen */
export async function startService(env: Environment): Promise<Service> {
  const directory = await mkdtemp(join(tmpdir(), 'cache-faults-'));
  const { PATH = '', NODE_COMPILE_CACHE = '' } = process.env;
  const settings = Object.entries({ PATH, NODE_COMPILE_CACHE, SERVICE_PORT: '0', ...env });
  const assignments = settings.map(([name, value]) => `${name}=${value}`);
  const service = await startProcess(
    '/usr/bin/env',
    ['-i', ...assignments, process.execPath, '--import', LAG_TOLD, MAIN],
    directory,
  );
  const until = async (what: string, holds: () => boolean) => {
    const deadline = Date.now() + PATIENCE_MS;
    while (!holds()) {
      if (Date.now() > deadline || (what === 'listen' && !service.running)) {
        const output = service.output();
        await end();
        throw new Error(`The service did not ${what}:\n${output.slice(-2000)}`);
      }
      await sleep(POLL_MS);
    }
  };
  const end = async () => {
    await service.kill();
    await rm(directory, { recursive: true, force: true });
  };
  await until('listen', () => LISTENS.test(service.output()));
  return {
    port: Number(LISTENS.exec(service.output())?.[1]),
    pid: service.pid,
    async stop() {
      if (service.running) {
        service.signal('SIGTERM');
        await until('end', () => !service.running);
      }
      const output = service.output();
      await end();
      return { output, lagMs: Number(/^lag (\d+) ms$/m.exec(output)?.[1] ?? 0) };
    },
  };
}
