import { fork } from 'node:child_process';
import { join } from 'node:path';
import type { Order, Report } from './caller.ts';
import { deployedEnvironment, type Settings } from './sandbox-environment.ts';

/** A process that has loaded a bundle and calls its handler. */
export interface Sandbox {
  /** Calls the handler once. @returns the body of the response @throws Error if the response has another status */
  once(event: unknown, status: number): Promise<string | undefined>;
  /**
   * Calls the handler repeatedly for `milliseconds`, with `batch` calls per reading of the clocks.
   *
   * @returns wall-clock time and CPU time per call, in microseconds
   */
  loop(event: unknown, status: number, milliseconds: number, batch: number): Promise<Cost>;
  stop(): Promise<void>;
}

export type Cost = Record<'wall' | 'cpu', number>;

/**
 * Starts a process that imports `<name>.mjs` from `outdir`, in the environment of a deployed function with `settings`.
 *
 * @param log file descriptor of the log. Default: /dev/null, so that no reader uses processor time
 */
export async function startSandbox(
  name: string,
  outdir: string,
  backendUrl: string,
  settings: Settings = {},
  log: number | 'ignore' = 'ignore',
): Promise<Sandbox> {
  const child = fork(join(import.meta.dirname, 'caller.ts'), [join(outdir, `${name}.mjs`)], {
    cwd: outdir,
    env: deployedEnvironment(name, outdir, backendUrl, settings),
    execArgv: [],
    stdio: ['ignore', log, 'inherit', 'ipc'],
  });
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const report = () =>
    new Promise<Report>((resolve, reject) => {
      const gone = () => reject(new Error(`The process of ${name} has ended`));
      child.once('exit', gone).once('message', (message) => {
        child.off('exit', gone);
        resolve(message as Report);
      });
    });
  const stop = async () => {
    child.kill('SIGKILL');
    await exited;
  };
  const ask = async <Kind extends Report['kind']>(kind: Kind, order?: Order) => {
    const reported = report();
    if (order) child.send(order);
    const response = await reported;
    if (response.kind === kind) return response as Report & { kind: Kind };
    throw new Error(
      `${name}: ${response.kind === 'failure' ? response.message : `unexpected ${response.kind}`}`,
    );
  };
  try {
    await ask('ready');
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    async once(event, status) {
      const { body } = await ask('response', { kind: 'once', event: JSON.stringify(event), status });
      return body;
    },
    loop: (event, status, milliseconds, batch) =>
      ask('cost', { kind: 'loop', event: JSON.stringify(event), status, milliseconds, batch }),
    stop,
  };
}
