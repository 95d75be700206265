import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { PATIENT } from '../support/patience.ts';

const MAIN = fileURLToPath(new URL('../../infra/server/main.ts', import.meta.url));

/** The line in the service's output that contains its address. */
const LISTENS = /^.* listens on (http:\/\/\S+:(\d+))$/m;

/** Timeout of a start and of a stop. */
const PATIENCE_MS = 60_000;

/**
 * Settings of the service. The service gets them in addition to PATH, NODE_COMPILE_CACHE and NODE_EXTRA_CA_CERTS of this process
 * and to timeouts that are long enough for a healthy backend on a busy machine.
 */
export type Environment = Record<string, string>;

/** The service in a process of its own, as `npm start` runs it. */
export interface Service {
  /** `http://127.0.0.1:<port>`, or with the host of SERVICE_HOST. No slash at its end. */
  url: string;
  port: number;
  pid: number;
  /** All output so far. */
  stdout: () => string;
  stderr: () => string;
  /** Sends it a signal (default: SIGTERM) and waits until it exits. Throws unless its exit code is 0. */
  stop: (signal?: NodeJS.Signals) => Promise<void>;
}

/** The exit and the output of a process of the service. */
export interface Ended {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

/** Starts the service on a free port. Throws an error with its output if it exits before it listens. */
export async function startService(env: Environment = {}): Promise<Service> {
  const { child, output, ended } = launch(env);
  const listens = waitForAddress(child, output);
  const [url, port] = await Promise.race([
    listens,
    ended.then(({ code, signal, stderr }) => {
      throw new Error(`The service ended (${code ?? signal}) before it listened:\n${stderr}`);
    }),
    killAfterTimeout(child, 'listen', output, listens),
  ]);

  let stopped: Promise<void> | undefined;
  const stop = async (signal: NodeJS.Signals): Promise<void> => {
    child.kill(signal);
    const end = await Promise.race([ended, killAfterTimeout(child, `end after ${signal}`, output)]);
    if (end.code !== 0) throw new Error(`The service ended with ${end.code ?? end.signal}:\n${end.stderr}`);
  };
  return {
    url: url.replace('localhost', '127.0.0.1'),
    port,
    pid: child.pid as number,
    stdout: () => output.stdout,
    stderr: () => output.stderr,
    stop: (signal = 'SIGTERM') => {
      stopped ??= stop(signal);
      return stopped;
    },
  };
}

/** Starts the service with settings that it must reject, and waits until it exits. */
export async function runService(env: Environment): Promise<Ended> {
  const { child, output, ended } = launch(env);
  return Promise.race([ended, killAfterTimeout(child, 'refuse to start', output)]);
}

interface Output {
  stdout: string;
  stderr: string;
}

/**
 * A shell script that kills a process when its own stdin is closed. The system closes it however this process ends. An exit
 * handler would not suffice: test runners kill their workers by a signal.
 */
const WATCHDOG = 'read -r _; kill -9 "$1"';

function launch(env: Environment): { child: ChildProcess; output: Output; ended: Promise<Ended> } {
  const child = spawn(process.execPath, [MAIN], {
    env: {
      PATH: process.env.PATH,
      NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE,
      // The backend of TEST_BACKEND_URL may have a certificate of a private authority.
      NODE_EXTRA_CA_CERTS: process.env.NODE_EXTRA_CA_CERTS,
      SERVICE_PORT: '0',
      ...PATIENT,
      ...env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  // In a separate process group, so that ctrl-C does not end it before the service.
  const watchdog = spawn('sh', ['-c', WATCHDOG, 'sh', String(child.pid)], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  });
  child.once('exit', () => watchdog.kill('SIGKILL'));
  const output: Output = { stdout: '', stderr: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output.stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    output.stderr += text;
  });
  // On `close`, not on `exit`: on `exit` some of the output may not have been read yet.
  const ended = once(child, 'close').then(([code, signal]): Ended => ({ code, signal, ...output }));
  return { child, output, ended };
}

function waitForAddress(child: ChildProcess, output: Output): Promise<[url: string, port: number]> {
  return new Promise((resolve) => {
    const look = (): void => {
      const [, url, port] = LISTENS.exec(output.stdout) ?? [];
      if (url === undefined) return;
      child.stdout?.off('data', look);
      resolve([url, Number(port)]);
    };
    child.stdout?.on('data', look);
  });
}

/**
 * Kills the process and rejects with `what` and the output after a timeout, so that a failed test leaves no process running.
 * The timeout is cancelled when the process exits or `done` resolves.
 */
function killAfterTimeout(
  child: ChildProcess,
  what: string,
  output: Output,
  done?: Promise<unknown>,
): Promise<never> {
  return new Promise((_, reject) => {
    const timer = setTimeout(() => {
      child.kill('SIGKILL');
      reject(
        new Error(`The service did not ${what} in ${PATIENCE_MS} ms:\n${output.stdout}\n${output.stderr}`),
      );
    }, PATIENCE_MS);
    timer.unref();
    child.once('close', () => clearTimeout(timer));
    done?.then(() => clearTimeout(timer));
  });
}
