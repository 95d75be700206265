import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, beforeEach, expect } from 'vitest';
import { infoFields } from '../support/engines/inspect.ts';
import { LOOPBACK } from '../support/engines/ports.ts';
import { type Server, startServer } from '../support/engines/server.ts';
import { type FaultProxy, startProxy } from './proxy.ts';

/** Time to wait before asserting that bytes did not arrive, in milliseconds. */
export const A_WHILE_MS = 150;

/** A raw connection that sends inline commands and records all received bytes and socket events. */
export interface RawConnection {
  socket: Socket;
  /** All bytes received so far. */
  received(): string;
  /** `end`, `close` and error codes, in order. */
  readonly events: string[];
  send(line: string): void;
  /** Waits until exactly this text has been received. */
  expectReceived(text: string): Promise<void>;
}

/** The objects for a test of the proxy. Available only while a test runs. */
export interface ProxyFixture {
  /** A new proxy for each test, in front of the server. */
  readonly proxy: FaultProxy;
  /** A client that is connected without the proxy. The server is empty when a test begins. */
  readonly direct: Redis;
  /**
   * Connects to a port, by default the proxy's. The connection is closed at the end of the test.
   *
   * @throws Error with the socket's code if the port is closed
   */
  call(port?: number): Promise<RawConnection>;
  /** Number of clients of the server, including `direct`. */
  connectedClients(): Promise<number>;
  /** Number of clients in a blocking command such as `BLPOP`. */
  blockedClients(): Promise<number>;
}

/** Registers hooks that start a server for all tests of a file, and a proxy for each test. */
export function proxyFixture(): ProxyFixture {
  let server: Server;
  let direct: Redis;
  let proxy: FaultProxy;
  let open: RawConnection[];

  beforeAll(async () => {
    server = await startServer();
    direct = new Redis(server.port, server.host);
  });
  afterAll(async () => {
    direct?.disconnect();
    await server?.stop();
  });
  beforeEach(async () => {
    proxy = await startProxy(server.port);
    open = [];
    await direct.flushall();
    // Wait until the connections of the previous test are closed and only `direct` is left.
    await expect.poll(connectedClients).toBe(1);
  });
  afterEach(async () => {
    for (const { socket } of open) socket.destroy();
    await proxy.stop();
  });

  async function call(port = proxy.port): Promise<RawConnection> {
    const socket = connect({ port, host: LOOPBACK, noDelay: true });
    let received = '';
    const events: string[] = [];
    socket.on('data', (bytes) => {
      received += bytes;
    });
    socket.on('end', () => events.push('end'));
    socket.on('error', (error: NodeJS.ErrnoException) => events.push(error.code ?? error.message));
    socket.on('close', () => events.push('close'));
    const caller: RawConnection = {
      socket,
      received: () => received,
      events,
      send: (line) => socket.write(`${line}\r\n`),
      async expectReceived(text) {
        await expect.poll(() => received).toBe(text);
      },
    };
    open.push(caller);
    await once(socket, 'connect');
    return caller;
  }

  const clients = async (which: string) => Number((await infoFields(direct, 'clients'))[`${which}_clients`]);
  const connectedClients = () => clients('connected');
  const blockedClients = () => clients('blocked');

  return {
    get proxy() {
      return proxy;
    },
    get direct() {
      return direct;
    },
    call,
    connectedClients,
    blockedClients,
  };
}
