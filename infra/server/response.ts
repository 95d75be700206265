import { type IncomingMessage, type ServerResponse, STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import type { APIGatewayProxyStructuredResultV2 } from 'aws-lambda';
import { compress, type Message } from './compress.ts';

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

/**
 * Answers with a function's result.
 *
 * @param isLast whether to end the connection after it, asked when the answer is ready
 * @throws TypeError when the function answered what API Gateway could make no response of
 */
export async function send(res: ServerResponse, result: Result, isLast: () => boolean): Promise<void> {
  const message = await compress(messageOf(result), res.req);
  res.writeHead(message.status, rawHeaders(message, isLast()));
  res.end(message.body);
}

/**
 * Answers a request whose body has not come in whole and never will, and ends the connection.
 *
 * What the client still sends is thrown away for a moment: to close on it would reset the connection, and many clients
 * would then report the reset and not the answer that they have not read yet. The answer is out and complete by then; only
 * the end waits.
 */
export function refuse(req: IncomingMessage, res: ServerResponse, result: Result): void {
  const message = messageOf(result);
  res.writeHead(message.status, rawHeaders(message, true));
  if (message.body !== undefined) res.write(message.body);
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
  const message = messageOf(result);
  const headers = rawHeaders(message, true);
  let head = `HTTP/1.1 ${message.status} ${STATUS_CODES[message.status]}\r\n`;
  for (let i = 0; i < headers.length; i += 2) head += `${headers[i]}: ${headers[i + 1]}\r\n`;
  socket.end(`${head}\r\n${message.body ?? ''}`);
  const timer = setTimeout(() => socket.destroy(), LINGER_MS);
  socket.once('close', () => clearTimeout(timer));
}

/** @throws TypeError when a function answered what API Gateway could make no response of */
function messageOf(result: Result): Message {
  const { statusCode, cookies = [], isBase64Encoded = false } = result;
  if (statusCode === undefined || !Number.isInteger(statusCode)) {
    throw new TypeError(`A function answered with the status ${statusCode}`);
  }
  const headers: Message['headers'] = {};
  for (const name in result.headers) headers[name.toLowerCase()] = String(result.headers[name]);
  const body = bodyOf(result);
  if (body !== undefined) headers['content-length'] ??= String(Buffer.byteLength(body));
  return { status: statusCode, headers, cookies, body, isBinary: isBase64Encoded };
}

function bodyOf({ statusCode, body, isBase64Encoded }: Result): string | Buffer | undefined {
  if (statusCode === 204 || statusCode === 304) return undefined;
  if (body === undefined) return '';
  return isBase64Encoded ? Buffer.from(body, 'base64') : body;
}

/** Names and values in turn, the form that Node writes without looking at each again. */
function rawHeaders({ headers, cookies }: Message, close: boolean): string[] {
  const raw: string[] = [];
  for (const name in headers) raw.push(name, headers[name] as string);
  for (const cookie of cookies) raw.push('set-cookie', cookie);
  if (close) raw.push('connection', 'close');
  return raw;
}
