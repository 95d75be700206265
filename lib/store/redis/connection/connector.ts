import { createConnection, type Socket } from 'node:net';
import { type ConnectionOptions, connect as tlsConnect } from 'node:tls';
import { AbstractConnector, type RedisOptions } from 'ioredis';
import { hostAndPort } from '../../../config/backend-url.ts';
import { describeError, foreignProtocol } from './errors.ts';

/** The first byte of every reply in RESP2 and RESP3: its type. */
const REPLY_TYPES = Buffer.from('+-:$*_,#!=(%~>|');

/**
 * A connector for ioredis that opens sockets as ioredis's own does, and reports their errors. A cluster's client does not report why a
 * connection that reads the slots failed.
 *
 * @param report called with one line for each problem; problems may repeat
 */
export function connectorReporting(report: (problem: string) => void) {
  return class Connector extends AbstractConnector {
    readonly #options: RedisOptions;

    constructor(options: unknown) {
      super((options as RedisOptions).disconnectTimeout ?? 2000);
      this.#options = options as RedisOptions;
    }

    override connect(): Promise<Socket> {
      const { host = 'localhost', port = 6379, tls } = this.#options;
      const where = hostAndPort({ host, port });
      this.connecting = true;
      const options = { host, port, ...(tls as ConnectionOptions | undefined) };
      const socket = tls ? tlsConnect(options) : createConnection(options);
      // ioredis listens for the first error only. A TLS socket that is closed during its handshake may emit two, and an error without
      // a listener would end the process.
      socket.on('error', (error) => {
        this.firstError ??= error;
        report(describeError(error, where));
      });
      // A listener for data makes the socket flow, so it is added when ioredis adds its own, at this event.
      socket.once(tls ? 'secureConnect' : 'connect', () => reportForeignProtocol(socket, where, report));
      this.stream = socket;
      return Promise.resolve(socket);
    }
  };
}

function reportForeignProtocol(socket: Socket, where: string, report: (problem: string) => void): void {
  let hasReplied = false;
  socket.once('data', ([type = 0]: Buffer) => {
    hasReplied = true;
    if (!REPLY_TYPES.includes(type)) report(foreignProtocol(where, type));
  });
  socket.once('end', () => {
    if (!hasReplied) report(`${where} closes the connection without an answer`);
  });
}
