import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { Order, Report } from './instances.ts';

/** Function instances, in a few processes. */
export interface Population {
  /** Starts them all, each at a random moment of the time given. */
  open(): void;
  /** Ends them. @returns what each process has to report */
  stop(): Promise<Report[]>;
  /** Ends them in any state. */
  kill(): void;
}

/** Starts processes of so many instances each, and waits until all of them wait for the word. */
export async function populate(
  url: string,
  processes: number,
  instancesEach: number,
  startWithinMs: number,
): Promise<Population> {
  const children = Array.from({ length: processes }, () =>
    fork(join(import.meta.dirname, 'instances.ts'), [url, String(instancesEach), String(startWithinMs)], {
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
      execArgv: [],
      serialization: 'advanced',
    }),
  );
  const kill = () => {
    for (const child of children) child.kill('SIGKILL');
  };
  // They have nobody to report to when this process is gone, and end by themselves: their channel is closed.
  for (const child of children) child.once('error', kill);
  await Promise.all(children.map((child) => once(child, 'message')));
  return {
    open: () => tell(children, 'open'),
    async stop() {
      const reports = children.map(async (child) => (await once(child, 'message'))[0] as Report);
      tell(children, 'stop');
      return Promise.all(reports);
    },
    kill,
  };
}

function tell(children: ChildProcess[], order: Order): void {
  for (const child of children) child.send(order);
}
