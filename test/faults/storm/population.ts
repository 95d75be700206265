import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { Order, Report } from './instances.ts';

/** Many simulated function instances in a few processes. */
export interface Population {
  /** Starts all instances, each at a random time within the given span. */
  open(): void;
  /** Stops them. @returns the report of each process */
  stop(): Promise<Report[]>;
  /** Kills the processes, whatever their state. */
  kill(): void;
}

/** Starts the processes, and waits until all of them are ready to open their instances. */
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
  // If this process ends, their channel closes and they exit by themselves.
  for (const child of children) child.once('error', kill);
  await Promise.all(children.map((child) => once(child, 'message')));
  return {
    open: () => sendToAll(children, 'open'),
    async stop() {
      const reports = children.map(async (child) => (await once(child, 'message'))[0] as Report);
      sendToAll(children, 'stop');
      return Promise.all(reports);
    },
    kill,
  };
}

function sendToAll(children: ChildProcess[], order: Order): void {
  for (const child of children) child.send(order);
}
