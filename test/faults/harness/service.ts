import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { startProcess } from '../../support/engines/process.ts';

const MAIN = fileURLToPath(new URL('../../../infra/server/main.ts', import.meta.url));
const REPORT_LAG = new URL('./report-lag.ts', import.meta.url).href;
const LISTENS = /^.* listens on http:\/\/localhost:(\d+)$/m;

/** Timeout of a start and of a stop, in milliseconds. */
const TIMEOUT_MS = 60_000;
const POLL_MS = 20;

/** Settings of the service. The service inherits only PATH and NODE_COMPILE_CACHE from this process. */
export type Environment = Record<string, string>;

export interface Ended {
  /** Everything that the service has written. */
  output: string;
  /** Longest time in which the service did not get the processor, in milliseconds. */
  lagMs: number;
}

/** The local server as `npm start` runs it. Its output goes to a file, so that reading it does not take time from the test. */
export interface Service {
  readonly port: number;
  readonly pid: number;
  /** Sends a stop signal and waits for the process to end. @throws Error if it does not end in time */
  stop(): Promise<Ended>;
}

/** Starts the service on a free port. @throws Error with its output if it does not listen in time */
export async function startService(env: Environment): Promise<Service> {
  const directory = await mkdtemp(join(tmpdir(), 'cache-faults-'));
  const { PATH = '', NODE_COMPILE_CACHE = '' } = process.env;
  const settings = Object.entries({ PATH, NODE_COMPILE_CACHE, SERVICE_PORT: '0', ...env });
  const assignments = settings.map(([name, value]) => `${name}=${value}`);
  const service = await startProcess(
    '/usr/bin/env',
    ['-i', ...assignments, process.execPath, '--import', REPORT_LAG, MAIN],
    directory,
  );
  const until = async (what: string, holds: () => boolean) => {
    const deadline = Date.now() + TIMEOUT_MS;
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
