import { promisify } from 'node:util';
import { brotliCompress, constants, gzip } from 'node:zlib';

/** A response before it is written to the socket. */
export interface Message {
  status: number;
  /** Contains Content-Length. In a response to HEAD it is the length of the omitted body. */
  headers: Record<string, string>;
  cookies: readonly string[];
  body: string | Buffer | undefined;
  isBinary: boolean;
}

/** Minimum length in bytes: shorter bodies fit into one packet uncompressed. */
const MIN_BYTES = 1024;

const brotliAsync = promisify(brotliCompress);
const gzipAsync = promisify(gzip);

/** In order of preference. The levels favour speed: values may have megabytes, and callers are on the same machine. */
const CODINGS = {
  br: (body: string | Buffer) => brotliAsync(body, { params: { [constants.BROTLI_PARAM_QUALITY]: 1 } }),
  gzip: (body: string | Buffer) => gzipAsync(body, { level: constants.Z_BEST_SPEED }),
};

type Coding = keyof typeof CODINGS;

/**
 * Chooses the coding that the request prefers, unless the body is short or binary, and adds Vary to the message if its length allows
 * compression.
 *
 * @param acceptEncoding value of the request's header, if there is one
 * @returns undefined if the response is not to be compressed
 */
export function prepareCompression(
  { headers, isBinary }: Message,
  acceptEncoding: string | string[] | undefined,
): Coding | undefined {
  if (isBinary || !(Number(headers['content-length']) >= MIN_BYTES)) return undefined;
  headers.vary = headers.vary === undefined ? 'accept-encoding' : `${headers.vary}, accept-encoding`;
  return acceptEncoding === undefined ? undefined : preferredCoding(String(acceptEncoding));
}

/** Compresses a message. */
export async function compress(message: Message, coding: Coding, isHead: boolean): Promise<void> {
  const { headers } = message;
  headers['content-encoding'] = coding;
  // A strong entity tag identifies exact bytes, which compression changes.
  if (headers.etag?.startsWith('"')) headers.etag = `W/${headers.etag}`;
  // HEAD: the compressed length is unknown without the body.
  delete headers['content-length'];
  if (isHead || message.body === undefined) return;
  message.body = await CODINGS[coding](message.body);
  headers['content-length'] = String(message.body.length);
}

const ENTRY = /^\s*([^\s;]+)\s*(?:;\s*q\s*=\s*(\S+)\s*)?$/;

/** Reads the quality values of Accept-Encoding (RFC 9110, 12.5.3). @returns undefined if the response is not to be compressed */
function preferredCoding(acceptEncoding: string): Coding | undefined {
  const qualities = new Map<string, number>();
  for (const entry of acceptEncoding.toLowerCase().split(',')) {
    const [, name = '', quality = '1'] = ENTRY.exec(entry) ?? [];
    qualities.set(name, Number(quality));
  }
  let preferred: Coding | undefined;
  let best = 0;
  for (const coding of Object.keys(CODINGS) as Coding[]) {
    const quality = qualities.get(coding) ?? qualities.get('*') ?? 0;
    if (quality > best) [preferred, best] = [coding, quality];
  }
  return (qualities.get('identity') ?? 0) > best ? undefined : preferred;
}
