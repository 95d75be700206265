import { connect, type Socket } from 'node:net';
import type { HostileRequest } from '../oracle/request.ts';
import type { HttpResponse } from '../oracle/response.ts';
import { encode } from './encode.ts';
import { readResponse } from './response.ts';

/** Response timeout, in milliseconds. So long that only a server that never responds reaches it, even on a busy machine. */
const TIMEOUT_MS = 60_000;

/** A keep-alive connection. It is opened again after the server has closed it. */
export class KeepAliveConnection {
  readonly #port: number;
  #socket: Socket | undefined;
  /** Bytes received without a request, or a marker that the server closed the connection without `Connection: close`. */
  #stray = '';

  constructor(port: number) {
    this.#port = port;
  }

  /** Sends a request and reads its response. */
  send(request: HostileRequest): Promise<HttpResponse> {
    return this.#exchange(encode(request), request.method === 'HEAD');
  }

  close(): void {
    this.#socket?.destroy();
    this.#socket = undefined;
    this.#stray = '';
  }

  /**
   * @param bodiless whether the request is a HEAD: the response has no body, whatever its Content-Length
   * @throws Error if no response arrives, if it is not valid HTTP, or if bytes arrived without a request
   */
  async #exchange(request: Buffer, bodiless: boolean): Promise<HttpResponse> {
    if (this.#stray !== '') throw this.#failed(`Unexpected bytes: ${JSON.stringify(this.#stray)}`);
    this.#socket ??= connect({ port: this.#port, host: '127.0.0.1', noDelay: true });
    const begun = performance.now();
    const receiving = this.#receive(this.#socket, request, bodiless);
    this.#socket.write(request);
    const response = await receiving;
    if (response.headers.connection === 'close') this.close();
    return { ...response, ms: performance.now() - begun };
  }

  #receive(socket: Socket, request: Buffer, bodiless: boolean): Promise<Omit<HttpResponse, 'ms'>> {
    return new Promise((resolve, reject) => {
      const chunks: Buffer[] = [];
      let settled = false;
      const settle = (): void => {
        settled = true;
        clearTimeout(timer);
        socket.removeAllListeners();
        socket.on('data', (chunk: Buffer) => {
          this.#stray += chunk.toString('latin1');
        });
        socket.on('error', () => {});
        socket.on('close', () => {
          if (this.#socket === socket) this.#stray += '<connection closed>';
        });
      };
      const fail = (reason: string): void => {
        settle();
        reject(this.#failed(`${reason}: ${JSON.stringify(request.toString('latin1', 0, 300))}`));
      };
      // If this process was paused, a response that has already arrived is read within two turns of the event loop.
      const timer = setTimeout(async () => {
        for (let turn = 0; turn < 2; turn++) await new Promise(setImmediate);
        if (!settled) fail(`No response within ${TIMEOUT_MS} ms`);
      }, TIMEOUT_MS);
      socket.on('data', (chunk: Buffer) => {
        chunks.push(chunk);
        const bytes = Buffer.concat(chunks);
        try {
          const found = readResponse(bytes, bodiless);
          if (!found) return;
          settle();
          this.#stray = bytes.toString('latin1', found.end);
          resolve(found.response);
        } catch (error) {
          fail((error as Error).message);
        }
      });
      socket.on('error', (error) => fail(error.message));
      socket.on('close', () => fail('The connection was closed without a response'));
    });
  }

  #failed(reason: string): Error {
    this.close();
    return new Error(reason);
  }
}
