import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import type { Answer } from '../oracle/answer.ts';

/** What stands at the beginning of some bytes that a server sent. */
export interface Found {
  answer: Omit<Answer, 'ms'>;
  /** Where the next one begins. */
  end: number;
}

/**
 * Reads the first answer out of what came on a connection; an interim one (1xx) is passed over.
 *
 * @param bodiless whether it answers a HEAD
 * @returns undefined while it has not come in whole
 * @throws Error when what came is no HTTP
 */
export function readResponse(bytes: Buffer, bodiless: boolean): Found | undefined {
  const headEnd = bytes.indexOf('\r\n\r\n');
  if (headEnd < 0) return undefined;
  const [statusLine = '', ...lines] = bytes.toString('latin1', 0, headEnd).split('\r\n');
  const status = Number(/^HTTP\/1\.1 ([1-5]\d\d) [A-Z][A-Za-z -]*$/.exec(statusLine)?.[1]);
  if (Number.isNaN(status)) throw new Error(`No HTTP: ${JSON.stringify(statusLine)}`);
  const start = headEnd + 4;
  if (status < 200) {
    const found = readResponse(bytes.subarray(start), bodiless);
    return found && { ...found, end: start + found.end };
  }
  const headers: Record<string, string> = {};
  for (const line of lines) {
    const [, name = '', value = ''] = /^([\w-]+): ?(.*)$/.exec(line) ?? [];
    if (name === '') throw new Error(`No header: ${JSON.stringify(line)}`);
    const earlier = headers[name.toLowerCase()];
    headers[name.toLowerCase()] = earlier === undefined ? value : `${earlier}, ${value}`;
  }
  const end = start + (bodiless || status === 204 ? 0 : Number(headers['content-length']));
  if (Number.isNaN(end)) throw new Error(`An answer without a length: ${JSON.stringify(lines)}`);
  if (bytes.length < end) return undefined;
  const body = decode(bytes.subarray(start, end), headers['content-encoding']);
  return { answer: { status, headers, body: body.toString() }, end };
}

function decode(body: Buffer, coding: string | undefined): Buffer {
  if (coding === undefined || body.length === 0) return body;
  if (coding === 'br') return brotliDecompressSync(body);
  if (coding === 'gzip') return gunzipSync(body);
  throw new Error(`Nobody asked for the coding ${coding}`);
}
