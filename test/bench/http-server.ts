import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import autocannon from 'autocannon';
import { freePort, LOOPBACK } from '../support/engines/ports.ts';
import { startProcess } from '../support/engines/process.ts';

/** An HTTP server to compare with others. */
export interface HttpServer {
  /** Base URL, without a trailing slash. */
  url: string;
  stop(): Promise<void>;
}

const START_TIMEOUT_MS = 20_000;

/**
 * Starts a server process with its output to /dev/null, and waits until it responds to HTTP requests.
 *
 * @param commandFor returns the command line for a port. It may write files to the directory, which is removed with the server
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
    // The shell replaces itself with the command, so that the killed pid is that of the server.
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
    while (!(await responds(url))) {
      if (child.running && Date.now() < deadline) {
        await sleep(20);
        continue;
      }
      const output = child.output();
      await stop();
      throw new Error(`A server did not start on port ${port}:\n${output}`);
    }
    return { url, stop };
  } catch (error) {
    await remove();
    throw error;
  }
}

async function responds(url: string): Promise<boolean> {
  return fetch(url).then(
    async (response) => {
      await response.arrayBuffer();
      return true;
    },
    () => false,
  );
}

/** The request that a load repeats. */
export interface Load {
  url: string;
  headers: Record<string, string>;
}

/**
 * Measures the throughput of a server. Each connection waits for the response before it sends the next request.
 *
 * @param seconds duration in whole seconds, because the load generator reads its clock once per second
 * @returns responses per second
 * @throws Error if any response is not a success
 */
export async function requestsPerSecond(
  { url, headers }: Load,
  connections: number,
  seconds: number,
): Promise<number> {
  const result = await autocannon({ url, headers, connections, duration: seconds });
  const { non2xx, errors, timeouts } = result;
  if (non2xx + errors + timeouts > 0 || result['2xx'] === 0) {
    throw new Error(
      `${url}: ${non2xx} responses were not successful, ${errors} errors, ${timeouts} timeouts`,
    );
  }
  return (result['2xx'] / (result.finish.getTime() - result.start.getTime())) * 1000;
}
