import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** The process of an engine. It ends at the latest with the process that started it. */
export interface EngineProcess {
  readonly pid: number;
  readonly running: boolean;
  /** Its stdout and stderr so far, for error messages. */
  output(): string;
  signal(name: NodeJS.Signals): void;
  /** Kills it, even if it is paused, and waits until it has ended. */
  kill(): Promise<void>;
}

/**
 * Kills a process when its own stdin is closed. The system closes stdin however this process ends: by Ctrl-C, a crash, or a
 * SIGKILL of the test runner. An exit handler would run only in the first case.
 */
const WATCHDOG = 'read -r _; kill -9 "$1"; rm -rf "$2"';

/**
 * Starts an engine.
 *
 * @param directory its working directory, also for its log. Removed if this process ends
 * @throws Error if the executable cannot be started
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
  // In a separate process group, so that Ctrl-C does not end the watchdog before the engine.
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
      if (!isRunning()) throw new Error(`Process ${pid} has ended and cannot receive ${name}`);
      child.kill(name);
    },
    async kill() {
      child.kill('SIGKILL');
      await exited;
    },
  };
}
