import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import type { HttpResponse } from '../oracle/response.ts';

/** The first response in the received bytes. */
export interface ParsedResponse {
  response: Omit<HttpResponse, 'ms'>;
  /** Offset of the first byte after this response. */
  end: number;
}

/**
 * Parses the first response in the received bytes. Interim responses (1xx) are skipped.
 *
 * @param bodiless whether the response belongs to a HEAD request
 * @returns undefined if the response is incomplete
 * @throws Error if the bytes are not valid HTTP
 */
export function readResponse(bytes: Buffer, bodiless: boolean): ParsedResponse | undefined {
  const headEnd = bytes.indexOf('\r\n\r\n');
  if (headEnd < 0) return undefined;
  const [statusLine = '', ...lines] = bytes.toString('latin1', 0, headEnd).split('\r\n');
  const status = Number(/^HTTP\/1\.1 ([1-5]\d\d) [A-Z][A-Za-z -]*$/.exec(statusLine)?.[1]);
  if (Number.isNaN(status)) throw new Error(`Not HTTP: ${JSON.stringify(statusLine)}`);
  const start = headEnd + 4;
  if (status < 200) {
    const found = readResponse(bytes.subarray(start), bodiless);
    return found && { ...found, end: start + found.end };
  }
  const headers: Record<string, string> = {};
  for (const line of lines) {
    const [, name = '', value = ''] = /^([\w-]+): ?(.*)$/.exec(line) ?? [];
    if (name === '') throw new Error(`Not a header: ${JSON.stringify(line)}`);
    const earlier = headers[name.toLowerCase()];
    headers[name.toLowerCase()] = earlier === undefined ? value : `${earlier}, ${value}`;
  }
  const end = start + (bodiless || status === 204 ? 0 : Number(headers['content-length']));
  if (Number.isNaN(end)) throw new Error(`A response without a Content-Length: ${JSON.stringify(lines)}`);
  if (bytes.length < end) return undefined;
  const body = decode(bytes.subarray(start, end), headers['content-encoding']);
  return { response: { status, headers, body: body.toString() }, end };
}

function decode(body: Buffer, coding: string | undefined): Buffer {
  if (coding === undefined || body.length === 0) return body;
  if (coding === 'br') return brotliDecompressSync(body);
  if (coding === 'gzip') return gunzipSync(body);
  throw new Error(`Unsupported Content-Encoding: ${coding}`);
}
