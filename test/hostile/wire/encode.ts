import { framedHeaders, type HostileRequest } from '../oracle/request.ts';

/** Encodes a request as HTTP/1.1. */
export function encode(request: HostileRequest): Buffer {
  const { method, target, body = '', chunk } = request;
  const headers = framedHeaders(request).map(([name, value]) => `${name}: ${value}\r\n`);
  const content = chunk === undefined ? body : inChunks(body, chunk);
  return Buffer.from(`${method} ${target} HTTP/1.1\r\n${headers.join('')}\r\n${content}`, 'latin1');
}

function inChunks(body: string, size: number): string {
  let text = '';
  for (let at = 0; at < body.length; at += size) {
    const part = body.slice(at, at + size);
    text += `${part.length.toString(16)}\r\n${part}\r\n`;
  }
  return `${text}0\r\n\r\n`;
}
