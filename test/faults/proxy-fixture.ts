import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, beforeEach, expect } from 'vitest';
import { infoFields } from '../support/engines/inspect.ts';
import { LOOPBACK } from '../support/engines/ports.ts';
import { type Server, startServer } from '../support/engines/server.ts';
import { type FaultProxy, startProxy } from './proxy.ts';

/** Long enough for bytes to arrive that should not; no time is too long for this to hold. */
export const A_WHILE_MS = 150;

/** A bare connection that speaks the protocol's inline form, and sees every byte and every end. */
export interface Caller {
  socket: Socket;
  /** All that came back so far. */
  received(): string;
  /** `end`, `close` and error codes, in order. */
  readonly events: string[];
  say(line: string): void;
  /** Waits until so much has come back. */
  hears(text: string): Promise<void>;
}

/** What a test of the proxy works with; there only while a test runs. */
export interface ProxyFixture {
  /** A new one for each test, in front of the server. */
  readonly proxy: FaultProxy;
  /** A client that goes past the proxy to the server, which is empty when a test begins. */
  readonly direct: Redis;
  /**
   * Connects to a port, the proxy's unless another is given. The connection ends with the test.
   *
   * @throws Error with the socket's code when nobody listens there
   */
  call(port?: number): Promise<Caller>;
  /** How many clients the server counts, `direct` among them. */
  connectedClients(): Promise<number>;
  /** How many of them wait for something to come, as `BLPOP` does. */
  blockedClients(): Promise<number>;
}

/** Declares hooks that start a server for the tests of a file, and for each of them a proxy in front of it. */
export function proxyFixture(): ProxyFixture {
  let server: Server;
  let direct: Redis;
  let proxy: FaultProxy;
  let open: Caller[];

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
    // Those of the test before are gone, and only the one that looks on is left.
    await expect.poll(connectedClients).toBe(1);
  });
  afterEach(async () => {
    for (const { socket } of open) socket.destroy();
    await proxy.stop();
  });

  async function call(port = proxy.port): Promise<Caller> {
    const socket = connect({ port, host: LOOPBACK, noDelay: true });
    let received = '';
    const events: string[] = [];
    socket.on('data', (bytes) => {
      received += bytes;
    });
    socket.on('end', () => events.push('end'));
    socket.on('error', (error: NodeJS.ErrnoException) => events.push(error.code ?? error.message));
    socket.on('close', () => events.push('close'));
    const caller: Caller = {
      socket,
      received: () => received,
      events,
      say: (line) => socket.write(`${line}\r\n`),
      async hears(text) {
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
