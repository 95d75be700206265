import { type ChildProcess, spawn } from 'node:child_process';

/**
 * Runs a shell command with one argument when this process ends. An exit handler would not suffice: test runners kill their
 * workers by a signal, and a frozen sandbox would never exit.
 */
export function runAfterExit(line: string, argument: string): ChildProcess {
  // It waits until its stdin is closed. It is in a separate process group, so that ctrl-C does not end it first.
  const watchdog = spawn('sh', ['-c', `read -r _; ${line}`, 'sh', argument], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  });
  watchdog.unref();
  return watchdog;
}
