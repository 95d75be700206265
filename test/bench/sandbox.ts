import { fork } from 'node:child_process';
import { join } from 'node:path';
import type { Order, Report } from './caller.ts';
import { deployedEnvironment, type Settings } from './sandbox-environment.ts';

/** A bundle in a process of its own, whose handler is called there. */
export interface Sandbox {
  /** Calls the handler once. @returns the answer's body @throws Error when it does not answer with the status */
  once(event: unknown, status: number): Promise<string | undefined>;
  /**
   * Calls it one time after the other, `batch` calls between two looks at the clocks.
   *
   * @returns microseconds a call, on the wall's clock and of CPU
   */
  loop(event: unknown, status: number, milliseconds: number, batch: number): Promise<Cost>;
  stop(): Promise<void>;
}

export type Cost = Record<'wall' | 'cpu', number>;

/**
 * Starts a process that has imported `<name>.mjs` of the directory, in the environment of a function as it is deployed, save
 * for `settings`. What the handler logs goes to /dev/null: written by the function, read by nobody who would take part of the machine.
 */
export async function startSandbox(
  name: string,
  outdir: string,
  backendUrl: string,
  settings: Settings = {},
): Promise<Sandbox> {
  const child = fork(join(import.meta.dirname, 'caller.ts'), [join(outdir, `${name}.mjs`)], {
    cwd: outdir,
    env: deployedEnvironment(name, outdir, backendUrl, settings),
    execArgv: [],
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
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
    const answered = report();
    if (order) child.send(order);
    const answer = await answered;
    if (answer.kind === kind) return answer as Report & { kind: Kind };
    throw new Error(`${name}: ${answer.kind === 'failure' ? answer.message : `unexpected ${answer.kind}`}`);
  };
  try {
    await ask('ready');
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    async once(event, status) {
      const { body } = await ask('answer', { kind: 'once', event: JSON.stringify(event), status });
      return body;
    },
    loop: (event, status, milliseconds, batch) =>
      ask('cost', { kind: 'loop', event: JSON.stringify(event), status, milliseconds, batch }),
    stop,
  };
}
