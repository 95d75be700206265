import type { IncomingMessage } from 'node:http';

/** What came of reading a body. The third outcome, a client that went away, needs no answer and calls nobody. */
export interface BodyReader {
  whole: (body: Buffer) => void;
  tooLarge: () => void;
}

/**
 * Reads a request's body, and stops as soon as it is, or says that it is, longer than `maxBytes`.
 *
 * `declared` is the Content-Length, where there is one. Callbacks instead of a promise: a client that goes away would leave
 * one pending for ever.
 */
export function readBody(
  req: IncomingMessage,
  declared: string | undefined,
  maxBytes: number,
  reader: BodyReader,
): void {
  if (Number(declared) > maxBytes) {
    reader.tooLarge();
    return;
  }
  const chunks: Buffer[] = [];
  let bytes = 0;
  const onData = (chunk: Buffer): void => {
    bytes += chunk.length;
    if (bytes <= maxBytes) {
      chunks.push(chunk);
      return;
    }
    req.off('data', onData).off('end', onEnd);
    reader.tooLarge();
  };
  const onEnd = (): void => reader.whole(chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks));
  req.on('data', onData).on('end', onEnd);
}
