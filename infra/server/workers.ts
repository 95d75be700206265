import cluster, { type Worker } from 'node:cluster';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import type { Config } from '../../lib/config/config.ts';
import type { Log } from '../../lib/log/log.ts';
import { pauseAfter } from '../../lib/time.ts';
import type { Listening, ServerProcess } from './serve.ts';

/** A worker that ends sooner after its start counts as an early end. */
const MIN_UPTIME_MS = 5000;

/** A worker that has not ended this long after the stop signal is killed. It finishes requests for 5 s, and then closes its connections. */
const STOP_TIMEOUT_MS = 10_000;

/** Pauses before the next start, from the second early end in a row on. In milliseconds. */
const RESTART_PAUSE_MS = { first: 200, most: 10_000 };

interface WorkerOptions extends Pick<Config, 'host' | 'port'> {
  count: number;
  log: Pick<Log, 'info' | 'error'>;
  /** Takes whole lines of the workers' logs. */
  write: (lines: string) => void;
  /** Called if a worker cannot start and there is no other one. Unless it was killed, it has written the reason to stderr. */
  onFailure: () => void;
}

/**
 * A server of several processes on one port. Each worker runs the main module, with `serve`. A worker that ends is replaced.
 *
 * The first worker starts alone, so that an invalid setting or a port in use is reported once. The workers' logs pass through this process,
 * because the system may mix what several processes write to one pipe, even within a line.
 */
export function createWorkers({ count, host, port, log, write, onFailure }: WorkerOptions): ServerProcess {
  const workers = new Set<Worker>();
  const serving = new Set<Worker>();
  const allServe = Promise.withResolvers<Listening>();
  let stopping = false;
  let othersStarted = false;
  let settings: { SERVICE_PORT?: string } = {};

  /** @param earlyEnds the number of consecutive early ends of the workers that this one replaces; undefined if it replaces none */
  const start = (earlyEnds?: number): void => {
    if (stopping) return;
    const startedMonotonicMs = performance.now();
    const worker = cluster.fork(settings);
    workers.add(worker);
    forwardLines(worker, write);
    worker.once('listening', (address) => {
      serving.add(worker);
      if (earlyEnds !== undefined) log.info('worker restarted', { worker_pid: worker.process.pid });
      if (!othersStarted) {
        othersStarted = true;
        for (let i = 1; i < count; i++) start();
      }
      if (serving.size < count) return;
      const workerPids = [...serving].map(({ process }) => process.pid as number);
      allServe.resolve({ address: address.address, port: address.port, workerPids });
    });
    worker.on('error', (error) =>
      log.error('worker failed', { worker_pid: worker.process.pid, cause: error }),
    );
    // Not on `exit`: some of the worker's output may not have been read then.
    worker.process.once('close', (code: number | null, signal: string | null) => {
      workers.delete(worker);
      const hasServed = serving.delete(worker);
      if (stopping) return;
      if (!hasServed && workers.size === 0) {
        if (signal !== null) log.error('worker ended', { worker_pid: worker.process.pid, signal });
        onFailure();
        return;
      }
      const isEarly = performance.now() - startedMonotonicMs < MIN_UPTIME_MS;
      const ends = isEarly ? (earlyEnds ?? 0) + 1 : 0;
      const pauseMs = ends > 1 ? Math.round(pauseAfter(RESTART_PAUSE_MS, ends - 2)) : 0;
      log.error('worker ended', {
        worker_pid: worker.process.pid,
        exit_code: code ?? undefined,
        signal: signal ?? undefined,
        restart_in_ms: pauseMs,
      });
      setTimeout(() => start(ends), pauseMs);
    });
  };

  cluster.setupPrimary({ stdio: ['inherit', 'pipe', 'inherit', 'ipc'] });
  return {
    listen: async () => {
      if (port === 0) settings = { SERVICE_PORT: String(await findFreePort(host)) };
      start();
      return allServe.promise;
    },
    stop: async () => {
      stopping = true;
      const ends = [...workers].map((worker) => once(worker.process, 'close'));
      const signalAll = (signal: NodeJS.Signals) => {
        for (const worker of workers) worker.process.kill(signal);
      };
      signalAll('SIGTERM');
      // A worker that does not react would outlive this process.
      const timer = setTimeout(() => signalAll('SIGKILL'), STOP_TIMEOUT_MS);
      await Promise.all(ends);
      clearTimeout(timer);
    },
  };
}

/** With SERVICE_PORT=0, the system would choose another port when all workers have ended and are replaced. So it is chosen once. */
async function findFreePort(host: string): Promise<number> {
  const server = createServer().listen(0, host);
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

/** Passes on the whole lines of a worker's stdout. */
function forwardLines({ process: { stdout } }: Worker, write: (lines: string) => void): void {
  let rest = '';
  stdout?.setEncoding('utf8').on('data', (text: string) => {
    const end = text.lastIndexOf('\n') + 1;
    if (end > 0) write(rest + text.slice(0, end));
    rest = end > 0 ? text.slice(end) : rest + text;
  });
  // A worker that was killed may have left a part of a line.
  stdout?.once('end', () => {
    if (rest !== '') write(`${rest}\n`);
  });
}
