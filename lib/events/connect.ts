import { AsyncLocalStorage } from 'node:async_hooks';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { Socket } from 'node:net';
import {
  connect as connectClient,
  type NatsConnection,
  type NatsConnectionImpl,
} from '@nats-io/transport-node';
import type { NatsServer } from '../config/nats-url.ts';
import type { NatsAccess } from './credentials.ts';

/** Includes the TLS handshake and the login. */
const CONNECT_TIMEOUT_MS = 2_000;

/** The sockets that the current attempt has opened. */
const attemptSockets = new AsyncLocalStorage<Socket[]>();

/**
 * Connects to one server. The connection does not reconnect, and does not keep the process alive.
 *
 * @throws Error with the cause: no connection, no TLS, an untrusted certificate, a rejected login or a timeout
 */
export async function connect(
  { address, ca, authenticator }: NatsAccess,
  { host, port }: NatsServer,
  name: string,
): Promise<NatsConnection> {
  // The client does not unref its sockets, and does not close the socket of an attempt that timed out. So the sockets of an attempt are
  // collected here. Otherwise each attempt would leak one while a broker hangs.
  const sockets: Socket[] = [];
  const collect = (message: unknown) => {
    if (attemptSockets.getStore() === sockets) sockets.push((message as { socket: Socket }).socket.unref());
  };
  // Without `host`, the client expects `localhost` in the certificate if the server is given by its address.
  const tls = { host, ca };
  subscribe('net.client.socket', collect);
  try {
    const connection = await attemptSockets.run(sockets, () =>
      connectClient({
        servers: host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`,
        name,
        authenticator,
        timeout: CONNECT_TIMEOUT_MS,
        reconnect: false,
        // The addresses that a cluster's servers report may be unreachable from here.
        ignoreClusterUpdates: true,
        noAsyncTraces: true,
        ...((address.tls || ca !== undefined) && { tls }),
      }),
    );
    // The heartbeat's timer would keep the process alive, and no option disables it.
    (connection as NatsConnectionImpl).protocol.heartbeats.cancel();
    return connection;
  } catch (error) {
    for (const socket of sockets) socket.destroy();
    throw error;
  } finally {
    unsubscribe('net.client.socket', collect);
  }
}
