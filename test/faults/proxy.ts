import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { LOOPBACK, onFreePort } from '../support/engines/ports.ts';
import { type Conditions, Lane } from './lane.ts';

/** A TCP proxy on loopback that injects network faults. All faults can be combined. */
export interface FaultProxy {
  /** Its port. It never changes. */
  readonly port: number;
  /** Its address as a `redis://` URL. */
  readonly url: string;
  /** Holds back bytes from clients. Connections stay open, and responses still pass. */
  hold(): void;
  /** Holds back bytes from clients on the connections that are open now. New connections are not affected. */
  strand(): void;
  /** Ends `hold()` and `strand()`, and delivers the bytes in order, also those of clients that have disconnected meanwhile. */
  release(): void;
  /**
   * Goes silent: open connections, and those opened until `heal()`, drop all bytes in both directions. They are neither closed nor
   * reset, so neither side can notice.
   */
  drop(): void;
  /** Like `drop()`, but only for responses: requests still arrive and are executed. */
  dropResponses(): void;
  /** New connections work again. Silent ones stay silent, as after a network change that lost their state. */
  heal(): void;
  /** Resets all connections (RST) on both sides. */
  reset(): void;
  /** Resets the connections of clients only, as a middlebox may do. Bytes that they have sent are still delivered. */
  resetClients(): void;
  /** Delays bytes from clients, so that each round trip takes that much longer. 0 ends it. */
  delay(ms: number): void;
  /** Limits the throughput of each connection in each direction. Infinity ends it. */
  throttle(bytesPerSecond: number): void;
  /** Stops listening: new connections are refused, open ones keep working. */
  refuse(): Promise<void>;
  /** Listens again, on the same port. */
  accept(): Promise<void>;
  /** Closes all connections and stops listening permanently. */
  stop(): Promise<void>;
}

interface ProxiedConnection {
  readonly client: Socket;
  readonly server: Socket | undefined;
  strand(stranded: boolean): void;
  pump(): void;
  goDark(): void;
  muteServer(): void;
}

/** Starts a proxy in front of a port on loopback, without faults. */
export async function startProxy(targetPort: number): Promise<FaultProxy> {
  const conditions: Conditions = { held: false, delayMs: 0, bytesPerSecond: Number.POSITIVE_INFINITY };
  const connections = new Set<ProxiedConnection>();
  let dark = false;
  let mute = false;
  let listener: Server | undefined;

  const change = (changed: Partial<Conditions>) => {
    Object.assign(conditions, changed);
    for (const connection of connections) connection.pump();
  };
  const reset = () => {
    for (const { client, server } of connections) {
      client.resetAndDestroy();
      server?.resetAndDestroy();
    }
    connections.clear();
  };
  const accept = async (port: number) => {
    if (listener) return;
    const next = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
      const connection = dark ? acceptSilently(client) : proxyConnection(client, targetPort, conditions);
      if (mute) connection.muteServer();
      connections.add(connection);
      forgetWhenClosed(connection, connections);
    });
    next.listen({ port, host: LOOPBACK, exclusive: true });
    await once(next, 'listening');
    listener = next;
  };
  const refuse = async () => {
    // The port is free at once. The `close` event is emitted only after the open connections have ended.
    listener?.close();
    listener = undefined;
  };

  const port = await onFreePort(async (free) => {
    await accept(free);
    return free;
  });
  return {
    port,
    url: `redis://${LOOPBACK}:${port}`,
    hold: () => change({ held: true }),
    strand() {
      for (const connection of connections) connection.strand(true);
    },
    release() {
      for (const connection of connections) connection.strand(false);
      change({ held: false });
    },
    drop() {
      dark = true;
      for (const connection of connections) connection.goDark();
    },
    dropResponses() {
      mute = true;
      for (const connection of connections) connection.muteServer();
    },
    heal() {
      dark = false;
      mute = false;
    },
    reset,
    resetClients() {
      for (const { client } of connections) client.resetAndDestroy();
    },
    delay: (delayMs) => change({ delayMs }),
    throttle: (bytesPerSecond) => change({ bytesPerSecond }),
    refuse,
    accept: () => accept(port),
    async stop() {
      await refuse();
      reset();
    },
  };
}

/** Connects a client to the server. */
function proxyConnection(client: Socket, targetPort: number, conditions: Conditions): ProxiedConnection {
  const server = connect({ port: targetPort, host: LOOPBACK, allowHalfOpen: true, noDelay: true });
  const lanes = [
    new Lane(client, server, conditions, true),
    new Lane(server, client, conditions, false),
  ] as const;
  let dark = false;
  const muteServer = () => {
    dark = true;
    lanes[1].goDark();
  };
  // Bytes that a client sent before its connection failed are still delivered, followed by a normal end. After a reset the server might not read them.
  client.on('error', () => lanes[0].end());
  client.on('close', () => lanes[1].goDark());
  server.on('error', () => {
    if (!dark) client.resetAndDestroy();
  });
  return {
    client,
    server,
    strand(stranded) {
      lanes[0].strand(stranded);
    },
    pump() {
      for (const lane of lanes) lane.pump();
    },
    goDark() {
      muteServer();
      lanes[0].goDark();
    },
    muteServer,
  };
}

/** Accepts a connection while the proxy is silent, and drops its bytes. A proxy cannot leave a connection attempt unanswered. */
function acceptSilently(client: Socket): ProxiedConnection {
  client.on('error', () => {});
  client.resume();
  return { client, server: undefined, strand() {}, pump() {}, goDark() {}, muteServer() {} };
}

function forgetWhenClosed(connection: ProxiedConnection, connections: Set<ProxiedConnection>): void {
  const sockets = connection.server ? [connection.client, connection.server] : [connection.client];
  for (const socket of sockets) {
    socket.on('close', () => {
      if (sockets.every(({ destroyed }) => destroyed)) connections.delete(connection);
    });
  }
}
