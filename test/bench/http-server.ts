import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import autocannon from 'autocannon';
import { freePort, LOOPBACK } from '../support/engines/ports.ts';
import { startProcess } from '../support/engines/process.ts';

/** A server that is held against others. */
export interface HttpServer {
  /** Where it answers, without a slash at the end. */
  url: string;
  stop(): Promise<void>;
}

const START_TIMEOUT_MS = 20_000;

/**
 * Starts a server as a process of its own, with its output to /dev/null, and waits until it answers anything.
 *
 * @param commandFor the command line for a port; files that it needs go into the directory, which goes with the server
 */
export async function startHttpServer(
  commandFor: (port: number, directory: string) => Promise<string[]>,
  environment: Record<string, string> = {},
): Promise<HttpServer> {
  const directory = await mkdtemp(join(tmpdir(), 'cache-bench-'));
  const remove = () => rm(directory, { recursive: true, force: true });
  try {
    const port = await freePort();
    const url = `http://${LOOPBACK}:${port}`;
    const variables = Object.entries({ SERVICE_PORT: String(port), ...environment });
    // The shell gives its place to the command, so that there is one process, of the pid that is ended.
    const child = await startProcess(
      'env',
      [
        ...variables.map(([name, value]) => `${name}=${value}`),
        ...['sh', '-c', 'exec "$@" >/dev/null', 'sh'],
        ...(await commandFor(port, directory)),
      ],
      directory,
    );
    const stop = async () => {
      await child.kill();
      await remove();
    };
    const deadline = Date.now() + START_TIMEOUT_MS;
    while (!(await answers(url))) {
      if (child.running && Date.now() < deadline) {
        await sleep(20);
        continue;
      }
      const words = child.output();
      await stop();
      throw new Error(`A server did not come up on port ${port}:\n${words}`);
    }
    return { url, stop };
  } catch (error) {
    await remove();
    throw error;
  }
}

async function answers(url: string): Promise<boolean> {
  return fetch(url).then(
    async (response) => {
      await response.arrayBuffer();
      return true;
    },
    () => false,
  );
}

/** What is asked for, over and over again. */
export interface Load {
  url: string;
  headers: Record<string, string>;
}

/**
 * Asks by so many connections at once, each waiting for its answer before it asks again.
 *
 * @param seconds how long, in whole seconds: the generator looks at its clock once a second
 * @returns answers a second
 * @throws Error when any of them is no success
 */
export async function requestsPerSecond(
  { url, headers }: Load,
  connections: number,
  seconds: number,
): Promise<number> {
  const result = await autocannon({ url, headers, connections, duration: seconds });
  const { non2xx, errors, timeouts } = result;
  if (non2xx + errors + timeouts > 0 || result['2xx'] === 0) {
    throw new Error(`${url}: ${non2xx} answers were no success, ${errors} errors, ${timeouts} timeouts`);
  }
  return (result['2xx'] / (result.finish.getTime() - result.start.getTime())) * 1000;
}
