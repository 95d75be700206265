import { connect } from 'node:net';
import type { Answer } from '../oracle/answer.ts';
import { readResponse } from './response.ts';

/** Sent behind everything: whatever is a whole request is answered, and then the server ends the connection. */
const LAST = 'GET /health HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n';

/**
 * How long the server may be silent before it is asked something on another connection, in milliseconds. Once that is answered and
 * nothing else has come, it waits for more bytes: on a busy machine silence alone does not say so.
 */
const SILENCE_MS = 150;

/**
 * Sends bytes on a connection of their own, and reads every answer that comes.
 *
 * @returns none when the server waits for more, or ended the connection without a word
 * @throws Error when what comes is no HTTP
 */
export async function fire(port: number, bytes: Buffer): Promise<Answer[]> {
  const chunks: Buffer[] = [];
  let [begun, last] = [performance.now(), 0];
  await new Promise<void>((resolve) => {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true });
    const done = (): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve();
    };
    const timer = setTimeout(async () => {
      const before = chunks.length;
      await fetch(`http://127.0.0.1:${port}/health`).then((answer) => answer.text());
      if (chunks.length === before) done();
      else timer.refresh();
    }, SILENCE_MS);
    socket.on('connect', () => {
      begun = performance.now();
      socket.write(Buffer.concat([bytes, Buffer.from(LAST)]));
    });
    socket.on('data', (chunk: Buffer) => {
      chunks.push(chunk);
      last = performance.now();
      timer.refresh();
    });
    // A server that has refused a request may reset the connection on what still comes of it.
    socket.on('error', done).on('end', done);
  });
  return readAll(Buffer.concat(chunks), last - begun);
}

function readAll(bytes: Buffer, ms: number): Answer[] {
  const answers: Answer[] = [];
  for (let at = 0; at < bytes.length; ) {
    const found = readResponse(bytes.subarray(at), false);
    if (!found) throw new Error(`Half an answer: ${JSON.stringify(bytes.toString('latin1', at, at + 500))}`);
    answers.push({ ...found.answer, ms });
    at += found.end;
  }
  return answers;
}
