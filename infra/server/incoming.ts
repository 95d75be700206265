import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { IncomingRequest } from './gateway-event.ts';
import { HEAD_TOO_LARGE, MAX_HEAD_BYTES, NO_HOST, type Problem, UNREADABLE_PATH } from './problems.ts';
import { type Head, readHead, readTarget } from './request-head.ts';

/** Reads everything of a request but its body, or says why it goes no further. */
export function readRequest(req: IncomingMessage): IncomingRequest | Problem {
  const { method = '', httpVersion } = req;
  const head = readHead(req.rawHeaders);
  if (headBytes(req, head) > MAX_HEAD_BYTES) return HEAD_TOO_LARGE;
  if (head.headers.host === undefined && httpVersion === '1.1') return NO_HOST;
  const target = readTarget(req.url ?? '');
  if (!target) return UNREADABLE_PATH;
  return {
    method,
    protocol: `HTTP/${httpVersion}`,
    target,
    head,
    body: undefined,
    sourceIp: plainAddress(req.socket.remoteAddress ?? ''),
    receivedAt: Date.now(),
    requestId: randomUUID(),
  };
}

/** What the request line and the headers took on the wire. Node's own count leaves out what stands between them. */
function headBytes({ method = '', url = '' }: IncomingMessage, { bytes }: Head): number {
  return method.length + url.length + '  HTTP/1.1\r\n'.length + bytes;
}

/** A socket that takes IPv6 and IPv4 gives an IPv4 peer's address in IPv6's form; API Gateway writes it plainly. */
function plainAddress(address: string): string {
  return address.startsWith('::ffff:') ? address.slice('::ffff:'.length) : address;
}
