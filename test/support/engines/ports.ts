import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';

export const LOOPBACK = '127.0.0.1';

/** Distance of a cluster node's bus port from its port. It cannot be changed before Redis 7. */
export const BUS_OFFSET = 10_000;

/**
 * A range that lies, together with its bus ports, below the ephemeral ports (from 32768 on Linux, 49152 elsewhere). While a test
 * has stopped a server, any outgoing connection could take an ephemeral port, and a client that retries on loopback could even
 * connect to itself.
 */
const FIRST = 12_000;
const LAST = 21_999;

/** Returns a free port. Another process may still take it. */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < 200; attempt++) {
    const port = randomInt(FIRST, LAST + 1);
    if (await isFree(port)) return port;
  }
  throw new Error(`No free port from ${FIRST} to ${LAST} on ${LOOPBACK}`);
}

/** Another process took the port before the new one listened on it. */
export class PortTakenError extends Error {}

/**
 * Starts a server on a free port. Retries on another port if a process took it in the meantime.
 *
 * @param start rejects with a {@link PortTakenError} or with Node's EADDRINUSE if the port is taken
 */
export async function onFreePort<T>(start: (port: number) => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await start(await freePort());
    } catch (error) {
      const taken = error instanceof PortTakenError || (error as NodeJS.ErrnoException).code === 'EADDRINUSE';
      if (!taken || attempt === 5) throw error;
    }
  }
}

/** Whether this port and its bus port are free on loopback. */
export async function isFree(port: number): Promise<boolean> {
  return (await canListen(port)) && (await canListen(port + BUS_OFFSET));
}

async function canListen(port: number): Promise<boolean> {
  const server = createServer();
  try {
    server.listen({ port, host: LOOPBACK, exclusive: true });
    await once(server, 'listening');
  } catch {
    return false;
  }
  server.close();
  await once(server, 'close');
  return true;
}
