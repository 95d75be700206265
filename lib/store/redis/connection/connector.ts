import { createConnection, type Socket } from 'node:net';
import { type ConnectionOptions, connect as tlsConnect } from 'node:tls';
import { AbstractConnector, type RedisOptions } from 'ioredis';
import { hostAndPort } from '../../../config/backend-url.ts';
import { describeError, foreignProtocol } from './errors.ts';

/** The first byte of every reply in RESP2 and RESP3: its type. */
const REPLY_TYPES = Buffer.from('+-:$*_,#!=(%~>|');

/**
 * A connector for ioredis that opens sockets as ioredis's own does, and reports what goes wrong on them. A cluster's client connects to
 * its nodes to read the slots, and keeps the reason to itself when that fails.
 *
 * @param report called with one line per problem, which may come again
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
      // ioredis listens for one error and no more. A socket of TLS that is given up during its handshake may have two, and one
      // that nobody listens for ends the process.
      socket.on('error', (error) => {
        this.firstError ??= error;
        report(describeError(error, where));
      });
      // Not before ioredis listens as well, which it does at this event: a listener for data makes the socket flow.
      socket.once(tls ? 'secureConnect' : 'connect', () => reportForeign(socket, where, report));
      this.stream = socket;
      return Promise.resolve(socket);
    }
  };
}

function reportForeign(socket: Socket, where: string, report: (problem: string) => void): void {
  let answered = false;
  socket.once('data', ([type = 0]: Buffer) => {
    answered = true;
    if (!REPLY_TYPES.includes(type)) report(foreignProtocol(where, type));
  });
  socket.once('end', () => {
    if (!answered) report(`${where} closes the connection without an answer`);
  });
}
