/** A request that is well-formed as HTTP, however odd what it says. Texts are bytes, one a character. */
export interface HostileRequest {
  method: string;
  target: string;
  /** Without those that say how long the body is. */
  headers: [name: string, value: string][];
  body?: string;
  /** The body is sent in chunks of so many bytes. */
  chunk?: number;
}

/** What a request says, once HTTP has been read: an API Gateway event holds the same. */
export interface Meaning {
  method: string;
  /** Decoded once; undefined when it cannot be. */
  path: string | undefined;
  /** Still encoded. */
  query: string;
  /** By names in lower case, duplicates joined by commas, without white space around them. */
  headers: ReadonlyMap<string, string>;
  body: Buffer | undefined;
  /** Where callers bring a token: what its claim says of the tenant. */
  claim?: { tenant: unknown };
}

/** What the gateway takes of request line and headers, in bytes. */
const MAX_HEAD_BYTES = 10_240;

/** Why a request does not get past the gateway, with the status; undefined when it does. */
export type Barrier = 400 | 431 | undefined;

/** What stands before the headers that a request names itself. */
export const HOST: [string, string] = ['Host', '127.0.0.1'];

/** The headers as they go out. */
export function framedHeaders({ headers, body, chunk }: HostileRequest): [string, string][] {
  if (body === undefined) return [HOST, ...headers];
  const framing: [string, string] =
    chunk === undefined ? ['Content-Length', String(body.length)] : ['Transfer-Encoding', 'chunked'];
  return [HOST, ...headers, framing];
}

export function barrierOf(request: HostileRequest): Barrier {
  const { method, target } = request;
  // The request line is read before it is known how much comes after it.
  if (/[^\x21-\x7e]/.test(target)) return 400;
  let bytes = `${method} ${target} HTTP/1.1\r\n`.length;
  for (const [name, value] of framedHeaders(request)) bytes += name.length + trim(value).length + 4;
  return bytes > MAX_HEAD_BYTES ? 431 : undefined;
}

export function meaningOf(request: HostileRequest): Meaning {
  const { method, target, body } = request;
  const headers = new Map<string, string>();
  for (const [given, value] of framedHeaders(request)) {
    const name = given.toLowerCase();
    const earlier = headers.get(name);
    headers.set(name, earlier === undefined ? trim(value) : `${earlier},${trim(value)}`);
  }
  const [, rawPath = '', query = ''] = /^(?:[a-z]+:\/\/[^/?]*)?([^?]*)\??(.*)$/is.exec(target) ?? [];
  return {
    method,
    path: decodePath(rawPath),
    query,
    headers,
    body: body === undefined ? undefined : Buffer.from(body, 'latin1'),
  };
}

/** A question mark ends the path also where it came encoded. */
function decodePath(rawPath: string): string | undefined {
  return decodePercent(rawPath)?.split('?')[0] || (isPercentUtf8(rawPath) ? '/' : undefined);
}

/** The text that percent-encoded UTF-8 stands for; undefined when it is none. */
export function decodePercent(encoded: string): string | undefined {
  return isPercentUtf8(encoded) ? percentBytes(encoded).toString() : undefined;
}

function isPercentUtf8(encoded: string): boolean {
  if (/%(?![0-9a-f]{2})/i.test(encoded)) return false;
  const bytes = percentBytes(encoded);
  return Buffer.from(bytes.toString()).equals(bytes);
}

function percentBytes(encoded: string): Buffer {
  const bytes = encoded.replace(/%(..)/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  return Buffer.from(bytes, 'latin1');
}

/** HTTP's white space, which is no part of a header's value. */
function trim(value: string): string {
  return value.replace(/^[ \t]+|[ \t]+$/g, '');
}
