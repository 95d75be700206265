import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { PATIENT } from '../support/patience.ts';

const MAIN = fileURLToPath(new URL('../../infra/server/main.ts', import.meta.url));

/** What comes before the address in the service's own output. */
const LISTENS = /^.* listens on (http:\/\/\S+:(\d+))$/m;

/** How long a start and a stop may take before they count as failed, in milliseconds. */
const PATIENCE_MS = 60_000;

/**
 * Settings of the service. Nothing of this process's environment but its PATH and the authorities that it trusts is added, and a timeout
 * for a healthy backend on a busy machine.
 */
export type Environment = Record<string, string>;

/** The service, running as a process of its own, as `npm start` runs it. */
export interface Service {
  /** `http://127.0.0.1:<port>`, or with the host that SERVICE_HOST names, without a slash at its end. */
  url: string;
  port: number;
  pid: number;
  /** All that it has written so far. */
  stdout: () => string;
  stderr: () => string;
  /** Sends it a signal, SIGTERM unless said otherwise, and waits for its end. Throws unless its exit code is 0. */
  stop: (signal?: NodeJS.Signals) => Promise<void>;
}

/** How a process of the service ended. */
export interface Ended {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

/** Starts the service on a free port. Throws with its output when it ends instead of listening. */
export async function startService(env: Environment = {}): Promise<Service> {
  const { child, output, ended } = launch(env);
  const listens = listening(child, output);
  const [url, port] = await Promise.race([
    listens,
    ended.then(({ code, signal, stderr }) => {
      throw new Error(`The service ended (${code ?? signal}) before it listened:\n${stderr}`);
    }),
    patience(child, 'listen', output, listens),
  ]);

  let stopped: Promise<void> | undefined;
  const stop = async (signal: NodeJS.Signals): Promise<void> => {
    child.kill(signal);
    const end = await Promise.race([ended, patience(child, `end after ${signal}`, output)]);
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

/** Starts the service where it should refuse to start, and waits for its end. */
export async function runService(env: Environment): Promise<Ended> {
  const { child, output, ended } = launch(env);
  return Promise.race([ended, patience(child, 'refuse to start', output)]);
}

interface Output {
  stdout: string;
  stderr: string;
}

/**
 * Ends a process when its own input ends, which the system sees to however this process ends: a test runner ends its workers
 * by signals, of which no exit handler hears.
 */
const WATCHDOG = 'read -r _; kill -9 "$1"';

function launch(env: Environment): { child: ChildProcess; output: Output; ended: Promise<Ended> } {
  const child = spawn(process.execPath, [MAIN], {
    env: {
      PATH: process.env.PATH,
      // The backend that TEST_BACKEND_URL names may have a certificate of a private authority.
      NODE_EXTRA_CA_CERTS: process.env.NODE_EXTRA_CA_CERTS,
      SERVICE_PORT: '0',
      ...PATIENT,
      ...env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  // In a group of its own, so that ctrl-C does not take it before the service.
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
  // On `close`, not on `exit`: only then has all of the output come.
  const ended = once(child, 'close').then(([code, signal]): Ended => ({ code, signal, ...output }));
  return { child, output, ended };
}

function listening(child: ChildProcess, output: Output): Promise<[url: string, port: number]> {
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
 * Kills what takes too long, so that a test fails with what it was waiting for and leaves nothing behind. It is over once the
 * process has ended, or `done` is there.
 */
function patience(
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
