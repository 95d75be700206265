import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';

export const LOOPBACK = '127.0.0.1';

/** How far above its own port a cluster node's bus listens; engines before Redis 7 know no other distance. */
export const BUS_OFFSET = 10_000;

/**
 * Ports below those that the system hands out for outgoing connections (from 32768 on Linux, 49152 elsewhere), and with
 * their bus ports still below them. A port from that range, once its server is down for a test, can be taken by any
 * outgoing connection, and a client that keeps trying to reach it on loopback can even end up connected to itself.
 */
const FIRST = 12_000;
const LAST = 21_999;

/** A free port. Another process may still be quicker to take it. */
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
 * Starts a server on a free port, and on another one if a process took the port in the meantime.
 *
 * @param start rejects with a {@link PortTakenError} or with Node's EADDRINUSE when the port is taken
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

/** Whether nothing listens on this port of loopback, nor on the bus port that belongs to it. */
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
