import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { HEAD_TOO_LARGE, MAX_HEAD_BYTES, NO_HOST, type Problem, UNREADABLE_PATH } from './problems.ts';

/** A complete HTTP request. */
export interface IncomingRequest {
  method: string;
  /** For example `HTTP/1.1`. */
  protocol: string;
  target: Target;
  head: Head;
  /** Undefined or empty: the request has no body. */
  body: Buffer | undefined;
  /** The peer's IP address. */
  sourceIp: string;
  receivedEpochMs: number;
  requestId: string;
}

/** A request's headers as API Gateway passes them to a function. */
export interface Head {
  /** Names in lower case. Values of a repeated header are joined by commas. Without cookies. */
  headers: Record<string, string>;
  /** One `name=value` each; absent if there are none. */
  cookies?: string[];
  /** Size of the headers on the wire, each written as `name: value` and a line break. */
  bytes: number;
}

export interface Target {
  /** Percent-decoded once. */
  path: string;
  /** Everything after the first `?`, still encoded. */
  rawQuery: string;
}

/** Reads everything of a request except its body. @returns a problem if the request is rejected */
export function readRequest(req: IncomingMessage): IncomingRequest | Problem {
  const { method = '', url = '', httpVersion } = req;
  const head = readHead(req.rawHeaders);
  const requestLineBytes = method.length + url.length + '  HTTP/1.1\r\n'.length;
  if (requestLineBytes + head.bytes > MAX_HEAD_BYTES) return HEAD_TOO_LARGE;
  if (head.headers.host === undefined && httpVersion === '1.1') return NO_HOST;
  const target = readTarget(url);
  if (!target) return UNREADABLE_PATH;
  return {
    method,
    protocol: `HTTP/${httpVersion}`,
    target,
    head,
    body: undefined,
    // A socket for IPv6 and IPv4 reports an IPv4 address as `::ffff:…`; API Gateway reports the IPv4 address.
    sourceIp: (req.socket.remoteAddress ?? '').replace(/^::ffff:/, ''),
    receivedEpochMs: Date.now(),
    requestId: randomUUID(),
  };
}

/** An object without inherited names, so that a header may be called `constructor`. */
function emptyRecord(): Record<string, string> {
  return Object.create(null);
}

/**
 * Reads Node's `rawHeaders`. Node's `headers` keep only the first of some duplicates, and join others with a space, which API
 * Gateway does not.
 */
export function readHead(rawHeaders: readonly string[]): Head {
  const head: Head = { headers: emptyRecord(), bytes: 0 };
  const { headers } = head;
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = (rawHeaders[i] as string).toLowerCase();
    const value = rawHeaders[i + 1] as string;
    head.bytes += name.length + value.length + ': \r\n'.length;
    if (name === 'cookie') {
      head.cookies ??= [];
      for (const cookie of value.split(';')) if (cookie.trim()) head.cookies.push(cookie.trim());
      continue;
    }
    const earlier = headers[name];
    headers[name] = earlier === undefined ? value : `${earlier},${value}`;
  }
  return head;
}

/** The part of an absolute target, `http://host/path`, before the path. */
const ORIGIN = /^[a-z][a-z0-9+.-]*:\/\/[^/?]*/i;

/**
 * Parses a request target as API Gateway does: the path is decoded first, so that `%2F` separates segments like `/`, and
 * everything after an encoded `?` is dropped.
 *
 * @returns undefined if the path is not percent-encoded UTF-8
 */
export function readTarget(target: string): Target | undefined {
  const relative = target.startsWith('/') ? target : target.replace(ORIGIN, '');
  const mark = relative.indexOf('?');
  const encoded = mark < 0 ? relative : relative.slice(0, mark);
  const rawQuery = mark < 0 ? '' : relative.slice(mark + 1);
  if (!encoded.includes('%')) return { path: encoded || '/', rawQuery };
  try {
    return { path: decodeURIComponent(encoded).replace(/\?.*/s, '') || '/', rawQuery };
  } catch {
    return undefined;
  }
}

/**
 * Parses a query: names and values are decoded, `+` is a space, values of a repeated name are joined by commas. Invalid
 * percent-encoding is decoded leniently; the event's raw query has the original.
 *
 * @returns undefined if there are no parameters
 */
export function readQuery(rawQuery: string): Record<string, string> | undefined {
  if (rawQuery === '') return undefined;
  // `URLSearchParams` would drop a question mark at the start, which is a part of the first name.
  const query = new URLSearchParams(`&${rawQuery}`);
  if (query.size === 0) return undefined;
  const parameters = emptyRecord();
  for (const [name, value] of query) {
    parameters[name] = name in parameters ? `${parameters[name]},${value}` : value;
  }
  return parameters;
}

/** Callbacks instead of a promise, which would never settle if the client disconnects. */
interface BodyReader {
  onBody: (body: Buffer) => void;
  onTooLarge: () => void;
}

/**
 * Reads a request's body. Stops as soon as the body, or its Content-Length, is larger than `maxBytes`.
 *
 * @param contentLength value of the header, if there is one
 */
export function readBody(
  req: IncomingMessage,
  contentLength: string | undefined,
  maxBytes: number,
  reader: BodyReader,
): void {
  if (Number(contentLength) > maxBytes) {
    reader.onTooLarge();
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
    reader.onTooLarge();
  };
  const onEnd = (): void =>
    reader.onBody(chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks));
  req.on('data', onData).on('end', onEnd);
}
