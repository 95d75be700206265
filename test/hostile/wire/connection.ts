import { connect, type Socket } from 'node:net';
import type { Answer } from '../oracle/answer.ts';
import type { HostileRequest } from '../oracle/request.ts';
import { encode } from './encode.ts';
import { readResponse } from './response.ts';

/** Only a server that never answers takes so long, however busy the machine is, in milliseconds. */
const PATIENCE_MS = 60_000;

/** A connection that is kept alive from one request to the next, and made anew once the server has ended it. */
export class KeptConnection {
  readonly #port: number;
  #socket: Socket | undefined;
  /** What came that nobody had asked for, or that the server ended the connection without having said so. */
  #stray = '';

  constructor(port: number) {
    this.#port = port;
  }

  /** Sends a request and reads its answer. */
  send(request: HostileRequest): Promise<Answer> {
    return this.#exchange(encode(request), request.method === 'HEAD');
  }

  close(): void {
    this.#socket?.destroy();
    this.#socket = undefined;
    this.#stray = '';
  }

  /**
   * @param bodiless whether the answer has no body whatever it says, being one to a HEAD
   * @throws Error when none comes, or what comes is no HTTP or more than one answer
   */
  async #exchange(request: Buffer, bodiless: boolean): Promise<Answer> {
    if (this.#stray !== '') throw this.#failed(`What nobody asked for: ${JSON.stringify(this.#stray)}`);
    this.#socket ??= connect({ port: this.#port, host: '127.0.0.1', noDelay: true });
    const begun = performance.now();
    const answering = this.#answer(this.#socket, request, bodiless);
    this.#socket.write(request);
    const answer = await answering;
    if (answer.headers.connection === 'close') this.close();
    return { ...answer, ms: performance.now() - begun };
  }

  #answer(socket: Socket, request: Buffer, bodiless: boolean): Promise<Omit<Answer, 'ms'>> {
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
          if (this.#socket === socket) this.#stray += '<the end of the connection>';
        });
      };
      const fail = (reason: string): void => {
        settle();
        reject(this.#failed(`${reason}: ${JSON.stringify(request.toString('latin1', 0, 300))}`));
      };
      // If this process stood still, an answer that has arrived is read before the second of two turns.
      const timer = setTimeout(async () => {
        for (let turn = 0; turn < 2; turn++) await new Promise(setImmediate);
        if (!settled) fail(`No answer in ${PATIENCE_MS} ms`);
      }, PATIENCE_MS);
      socket.on('data', (chunk: Buffer) => {
        chunks.push(chunk);
        const bytes = Buffer.concat(chunks);
        try {
          const found = readResponse(bytes, bodiless);
          if (!found) return;
          settle();
          this.#stray = bytes.toString('latin1', found.end);
          resolve(found.answer);
        } catch (error) {
          fail((error as Error).message);
        }
      });
      socket.on('error', (error) => fail(error.message));
      socket.on('close', () => fail('The connection was closed without an answer'));
    });
  }

  #failed(reason: string): Error {
    this.close();
    return new Error(reason);
  }
}
