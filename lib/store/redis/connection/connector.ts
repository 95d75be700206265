import { createConnection, type Socket } from 'node:net';
import { type ConnectionOptions, connect as tlsConnect } from 'node:tls';
import { AbstractConnector, type RedisOptions } from 'ioredis';

/** Opens the sockets of the client, as ioredis's own connector does. */
export class Connector extends AbstractConnector {
  readonly #options: RedisOptions;

  constructor(options: unknown) {
    super((options as RedisOptions).disconnectTimeout ?? 2000);
    this.#options = options as RedisOptions;
  }

  override connect(): Promise<Socket> {
    const { host = 'localhost', port = 6379, tls } = this.#options;
    this.connecting = true;
    const options = { host, port, ...(tls as ConnectionOptions | undefined) };
    const socket = tls ? tlsConnect(options) : createConnection(options);
    // ioredis listens for one error and no more. A socket of TLS that is given up during its handshake may have two, and one
    // that nobody listens for ends the process.
    socket.on('error', (error) => {
      this.firstError ??= error;
    });
    this.stream = socket;
    return Promise.resolve(socket);
  }
}
