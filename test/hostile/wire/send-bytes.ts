import { connect } from 'node:net';
import type { HttpResponse } from '../oracle/response.ts';
import { readResponse } from './response.ts';

/** Appended to all bytes. The server responds to every complete request before it, then closes the connection. */
const FINAL_REQUEST = 'GET /health HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n';

/**
 * Time without a response before the server is probed on another connection, in milliseconds. If the probe succeeds and nothing
 * else has arrived, the server is waiting for more bytes. On a busy machine silence alone does not prove that.
 */
const SILENCE_MS = 150;

/**
 * Sends bytes on a new connection and reads all responses.
 *
 * @returns an empty array if the server waits for more bytes, or closed the connection without a response
 * @throws Error if the received bytes are not valid HTTP
 */
export async function sendBytes(port: number, bytes: Buffer): Promise<HttpResponse[]> {
  const chunks: Buffer[] = [];
  let [begun, last] = [performance.now(), 0];
  await new Promise<void>((resolve) => {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true });
    let timer: NodeJS.Timeout | undefined;
    const done = (): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve();
    };
    const probe = async (): Promise<void> => {
      const before = chunks.length;
      // Twice, because the first response may overtake one to the bytes.
      for (const _ of [1, 2]) {
        await fetch(`http://127.0.0.1:${port}/health`).then((response) => response.text());
      }
      if (chunks.length === before) done();
      else timer?.refresh();
    };
    socket.on('connect', () => {
      begun = performance.now();
      // Not before the server has the bytes: it would respond to the probe first.
      socket.write(Buffer.concat([bytes, Buffer.from(FINAL_REQUEST)]), () => {
        if (!socket.destroyed) timer = setTimeout(probe, SILENCE_MS);
      });
    });
    socket.on('data', (chunk: Buffer) => {
      chunks.push(chunk);
      last = performance.now();
      timer?.refresh();
    });
    // After it has rejected a request, the server may reset the connection when more bytes of the request arrive.
    socket.on('error', done).on('end', done);
  });
  return readAll(Buffer.concat(chunks), last - begun);
}

function readAll(bytes: Buffer, ms: number): HttpResponse[] {
  const responses: HttpResponse[] = [];
  for (let at = 0; at < bytes.length; ) {
    const found = readResponse(bytes.subarray(at), false);
    if (!found)
      throw new Error(`Incomplete response: ${JSON.stringify(bytes.toString('latin1', at, at + 500))}`);
    responses.push({ ...found.response, ms });
    at += found.end;
  }
  return responses;
}
