import { AsyncLocalStorage } from 'node:async_hooks';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { Socket } from 'node:net';
import { connect, type NatsConnection, type NatsConnectionImpl } from '@nats-io/transport-node';
import type { NatsServer } from '../config/nats-url.ts';
import type { NatsAccess } from './credentials.ts';

/** To one server, with TLS and login, in milliseconds. */
const CONNECT_TIMEOUT_MS = 2_000;

/** The sockets that are made for an attempt to connect. */
const attempts = new AsyncLocalStorage<Socket[]>();

/**
 * Connects to one server. The connection does not reconnect by itself, and does not keep the process from ending.
 *
 * @throws Error that says why not
 */
export async function dial(
  { address, ca, authenticator }: NatsAccess,
  { host, port }: NatsServer,
  name: string,
): Promise<NatsConnection> {
  // The client gives up an attempt without closing its socket, so that each one at a silent server would leave a socket behind.
  const sockets: Socket[] = [];
  const noted = (message: unknown) => {
    if (attempts.getStore() !== sockets) return;
    const { socket } = message as { socket: Socket };
    sockets.push(socket.unref());
  };
  // By name: for a server that is an address the client itself would have its certificate name localhost.
  const tls = { host, ca };
  subscribe('net.client.socket', noted);
  try {
    const connection = await attempts.run(sockets, () =>
      connect({
        servers: host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`,
        name,
        authenticator,
        timeout: CONNECT_TIMEOUT_MS,
        reconnect: false,
        // Where functions run, the addresses that a cluster's servers tell of each other may lead nowhere.
        ignoreClusterUpdates: true,
        noAsyncTraces: true,
        ...((address.tls || ca !== undefined) && { tls }),
      }),
    );
    // Its timer would keep the process from ending; that the other end is alive is shown by what it confirms.
    (connection as NatsConnectionImpl).protocol.heartbeats.cancel();
    return connection;
  } catch (error) {
    for (const socket of sockets) socket.destroy();
    throw error;
  } finally {
    unsubscribe('net.client.socket', noted);
  }
}
