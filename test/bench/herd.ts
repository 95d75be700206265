import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { Order, Report } from './herd-caller.ts';

/** Processes that request one missing key at the same time. */
export interface Herd {
  /** Lets all processes request a new key. @returns the cost of all of them together */
  run(how: Order['how'], produceMs: number): Promise<HerdCost>;
  stop(): Promise<void>;
}

export interface HerdCost {
  /** Number of producers that ran. */
  producers: number;
  /** Time from the first request until the last process has the value, minus the producer's time. */
  overheadMs: number;
  requests: number;
}

/** Starts the processes one after another, so that they do not overload the service. They are connected and warm afterwards. */
export async function startHerd(url: string, size: number): Promise<Herd> {
  const tenant = `herd-${process.pid}`;
  const children: ChildProcess[] = [];
  const stop = async () => {
    const exits = children.map((child) => once(child, 'exit'));
    for (const child of children) child.kill('SIGKILL');
    await Promise.all(exits);
  };
  let runs = 0;
  try {
    while (children.length < size) {
      const child = fork(join(import.meta.dirname, 'herd-caller.ts'), [url, tenant], {
        stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
        execArgv: [],
      });
      children.push(child);
      await messageOf(child);
    }
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    async run(how, produceMs) {
      const messages = children.map(messageOf);
      const order: Order = { key: `herd:${++runs}`, how, produceMs };
      for (const child of children) child.send(order);
      const reports = (await Promise.all(messages)) as Report[];
      const began = Math.min(...reports.map((report) => report.began));
      const ended = Math.max(...reports.map((report) => report.ended));
      return {
        producers: sum(reports.map(({ produced }) => produced)),
        overheadMs: ended - began - produceMs,
        requests: sum(reports.map(({ requests }) => requests)),
      };
    },
    stop,
  };
}

/** Returns the next message of a process. @throws Error if the process ends first */
function messageOf(child: ChildProcess): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const gone = () => reject(new Error('A process of the herd has ended'));
    child.once('exit', gone).once('message', (message) => {
      child.off('exit', gone);
      resolve(message);
    });
  });
}

function sum(numbers: number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
