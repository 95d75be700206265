import { type IncomingMessage, type ServerResponse, STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import type { APIGatewayProxyStructuredResultV2 } from 'aws-lambda';
import { compress, type Message, prepareCompression } from './compress.ts';

/** The result of a function, or a response of the gateway itself. */
export type Result = APIGatewayProxyStructuredResultV2;

/** API Gateway's response if a function fails. */
export const FUNCTION_FAILED: Result = {
  statusCode: 500,
  headers: { 'content-type': 'application/json' },
  body: '{"message":"Internal Server Error"}',
};

/** Time for which a connection is still read after its last response, see {@link refuse}. */
const LINGER_MS = 5000;

/**
 * Sends a function's result.
 *
 * @param isLast called when the response is ready: whether to close the connection after it
 * @throws TypeError for a result that API Gateway could not convert to a response
 */
export async function send(res: ServerResponse, result: Result, isLast: () => boolean): Promise<void> {
  const { headers, method } = res.req;
  const message = messageOf(result);
  const coding = prepareCompression(message, headers['accept-encoding']);
  if (coding !== undefined) await compress(message, coding, method === 'HEAD');
  res.writeHead(message.status, rawHeaders(message, isLast()));
  res.end(message.body);
}

/**
 * Responds to a request whose body is not read, and closes the connection.
 *
 * The complete response is sent at once, but the connection stays open for a moment and what the client still sends is discarded.
 * Closing it earlier would reset the connection, and many clients would report the reset instead of the response.
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

/** Responds on a connection on which no request could be parsed, and closes it. */
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

/** @throws TypeError for a result that API Gateway could not convert to a response */
function messageOf(result: Result): Message {
  const { statusCode, cookies = [], isBase64Encoded = false } = result;
  if (statusCode === undefined || !Number.isInteger(statusCode)) {
    throw new TypeError(`A function returned the status ${statusCode}`);
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

/** Alternating names and values, which Node writes without checking each header again. */
function rawHeaders({ headers, cookies }: Message, close: boolean): string[] {
  const raw: string[] = [];
  for (const name in headers) raw.push(name, headers[name] as string);
  for (const cookie of cookies) raw.push('set-cookie', cookie);
  if (close) raw.push('connection', 'close');
  return raw;
}
