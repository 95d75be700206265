import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** An engine's process, which does not outlive the one that started it. */
export interface EngineProcess {
  readonly pid: number;
  readonly running: boolean;
  /** What it has written to stdout and stderr so far, for error messages. */
  output(): string;
  signal(name: NodeJS.Signals): void;
  /** Ends it at once, also when it is stopped, and answers when it is gone. */
  kill(): Promise<void>;
}

/**
 * Ends a process when its stdin ends, which the system sees to however our own process comes to its end: ctrl-C, a crash,
 * or the SIGKILL of a test runner that lost its patience. An exit handler would miss all but the first.
 */
const WATCHDOG = 'read -r _; kill -9 "$1"; rm -rf "$2"';

/**
 * Starts an engine.
 *
 * @param directory its own directory, which is its working directory and takes its log; gone with it if our process dies
 * @throws Error when the executable cannot be started
 */
export async function startProcess(
  executable: string,
  args: readonly string[],
  directory: string,
): Promise<EngineProcess> {
  const logFile = join(directory, 'engine.log');
  const log = openSync(logFile, 'w');
  const child = spawn(executable, args, { cwd: directory, stdio: ['ignore', log, log] });
  closeSync(log);
  if (child.pid === undefined) {
    const [error] = await once(child, 'error');
    throw error;
  }
  const { pid } = child;
  // A group of its own, so that ctrl-C does not take the watchdog before the engine.
  const watchdog = spawn('sh', ['-c', WATCHDOG, 'sh', String(pid), directory], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  });
  const exited = once(child, 'exit').then(() => {
    watchdog.kill('SIGKILL');
  });
  const isRunning = () => child.exitCode === null && child.signalCode === null;

  return {
    pid,
    get running() {
      return isRunning();
    },
    output: () => readFileSync(logFile, 'utf8'),
    signal(name) {
      if (!isRunning()) throw new Error(`Process ${pid} has ended and takes no ${name}`);
      child.kill(name);
    },
    async kill() {
      child.kill('SIGKILL');
      await exited;
    },
  };
}
