import { type IncomingMessage, type ServerResponse, STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import type { APIGatewayProxyStructuredResultV2 } from 'aws-lambda';

/** What a function answers, and what the gateway answers by itself. */
export type Result = APIGatewayProxyStructuredResultV2;

/** What API Gateway says when a function fails instead of answering. */
export const FUNCTION_FAILED: Result = {
  statusCode: 500,
  headers: { 'content-type': 'application/json' },
  body: '{"message":"Internal Server Error"}',
};

/** How long a connection that is given up goes on being read, in milliseconds, see {@link refuse}. */
const LINGER_MS = 5000;

/** Answers with a function's result. `close` ends the connection after it. */
export function send(res: ServerResponse, result: Result, close: boolean): void {
  const body = bodyOf(result);
  res.writeHead(statusOf(result), headersOf(result, body, close));
  res.end(body);
}

/**
 * Answers a request whose body has not come in whole and never will, and ends the connection.
 *
 * What the client still sends is thrown away for a moment: to close on it would reset the connection, and many clients
 * would then report the reset and not the answer that they have not read yet. The answer is out and complete by then; only
 * the end waits.
 */
export function refuse(req: IncomingMessage, res: ServerResponse, result: Result): void {
  const body = bodyOf(result);
  res.writeHead(statusOf(result), headersOf(result, body, true));
  if (body !== undefined) res.write(body);
  const end = (): void => {
    clearTimeout(timer);
    res.end();
  };
  const timer = setTimeout(end, LINGER_MS);
  req.once('end', end).once('close', end).resume();
}

/** Answers on a connection on which no request could be read, and ends it. */
export function refuseConnection(socket: Duplex, result: Result): void {
  if (!socket.writable) return;
  const body = bodyOf(result) ?? '';
  const status = statusOf(result);
  const headers = headersOf(result, body, true);
  let head = `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n`;
  for (let i = 0; i < headers.length; i += 2) head += `${headers[i]}: ${headers[i + 1]}\r\n`;
  socket.end(`${head}\r\n${body}`);
  const timer = setTimeout(() => socket.destroy(), LINGER_MS);
  socket.once('close', () => clearTimeout(timer));
}

/** @throws TypeError when a function answered what API Gateway could make no response of */
function statusOf({ statusCode }: Result): number {
  if (!Number.isInteger(statusCode)) throw new TypeError(`A function answered with the status ${statusCode}`);
  return statusCode as number;
}

function bodyOf({ statusCode, body, isBase64Encoded }: Result): string | Buffer | undefined {
  if (statusCode === 204 || statusCode === 304) return undefined;
  if (body === undefined) return '';
  return isBase64Encoded ? Buffer.from(body, 'base64') : body;
}

/** Names and values in turn, the form that Node writes without looking at each again. */
function headersOf(result: Result, body: string | Buffer | undefined, close: boolean): string[] {
  const headers: string[] = [];
  for (const name in result.headers) headers.push(name, String(result.headers[name]));
  for (const cookie of result.cookies ?? []) headers.push('set-cookie', cookie);
  // An answer to HEAD tells the length of the body that it leaves out.
  if (body !== undefined && result.headers?.['content-length'] === undefined) {
    headers.push('content-length', String(Buffer.byteLength(body)));
  }
  if (close) headers.push('connection', 'close');
  return headers;
}
