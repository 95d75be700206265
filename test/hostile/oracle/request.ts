/** A well-formed HTTP request with arbitrary content. A character of its strings stands for one byte. */
export interface HostileRequest {
  method: string;
  target: string;
  /** Without Content-Length and Transfer-Encoding. */
  headers: [name: string, value: string][];
  body?: string;
  /** Chunk size in bytes. Undefined: the body is sent with a Content-Length. */
  chunk?: number;
}

/** A parsed HTTP request. It has the same content as an API Gateway event. */
export interface ParsedRequest {
  method: string;
  /** Decoded once; undefined if it is not valid percent-encoded UTF-8. */
  path: string | undefined;
  /** Not decoded. */
  query: string;
  /** By name in lower case. Values are trimmed, those of a repeated header are joined by commas. */
  headers: ReadonlyMap<string, string>;
  body: Buffer | undefined;
  /** The tenant claim, if callers send a token. */
  claim?: { tenant: unknown };
}

/** Maximum size of the request line and the headers, in bytes. */
const MAX_HEAD_BYTES = 10_240;

/** The status with which the gateway rejects a request; undefined if it passes the request on. */
export type GatewayRejection = 400 | 431 | undefined;

/** Sent before the request's own headers. */
export const HOST: [string, string] = ['Host', '127.0.0.1'];

/** Returns all headers of the request as sent, with Host and the headers that frame the body. */
export function framedHeaders({ headers, body, chunk }: HostileRequest): [string, string][] {
  if (body === undefined) return [HOST, ...headers];
  const framing: [string, string] =
    chunk === undefined ? ['Content-Length', String(body.length)] : ['Transfer-Encoding', 'chunked'];
  return [HOST, ...headers, framing];
}

export function gatewayRejectionOf(request: HostileRequest): GatewayRejection {
  const { method, target } = request;
  // The gateway rejects an invalid target before it has read the headers and knows their size.
  if (/[^\x21-\x7e]/.test(target)) return 400;
  let bytes = `${method} ${target} HTTP/1.1\r\n`.length;
  for (const [name, value] of framedHeaders(request)) bytes += name.length + trim(value).length + 4;
  return bytes > MAX_HEAD_BYTES ? 431 : undefined;
}

export function parseRequest(request: HostileRequest): ParsedRequest {
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

/** An encoded question mark ends the path as well. */
function decodePath(rawPath: string): string | undefined {
  return decodePercent(rawPath)?.split('?')[0] || (isPercentUtf8(rawPath) ? '/' : undefined);
}

/** Decodes percent-encoded UTF-8; undefined if the input is not valid. */
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

/** Removes the white space that HTTP allows around a header's value. */
function trim(value: string): string {
  return value.replace(/^[ \t]+|[ \t]+$/g, '');
}
