import { once } from 'node:events';
import { type ClientRequest, request as httpRequest } from 'node:http';
import { connect, type Socket } from 'node:net';

/** A request that is sent unchanged. `fetch` would normalise its path and join its headers. */
export interface RawRequest {
  method?: string;
  /** The request target. Each character is sent as one byte. */
  target: string;
  /** Names and values in alternation; names may repeat. */
  headers?: string[];
  body?: string | Buffer;
}

export interface RawResponse {
  status: number;
  /** Names in lower case; the values of a repeated header are joined by `, `. */
  headers: Record<string, string>;
  /** Names and values in alternation, as received. */
  rawHeaders: string[];
  body: Buffer;
  text: string;
  json: () => unknown;
}

/** Sends one request on a new connection and reads the whole response. */
export async function rawRequest(
  port: number,
  { body, headers = [], ...request }: RawRequest,
): Promise<RawResponse> {
  const framed = headers.some((name) => /^(?:content-length|transfer-encoding)$/i.test(name));
  const length = body === undefined || framed ? [] : ['Content-Length', String(Buffer.byteLength(body))];
  const sent = openRequest(port, { ...request, headers: [...headers, ...length] });
  sent.end(body);
  return readAnswer(sent);
}

/** Opens a request. The caller writes the body and ends the request. */
export function openRequest(
  port: number,
  { method = 'GET', target, headers = [] }: RawRequest,
): ClientRequest {
  const named = headers.some((name, index) => index % 2 === 0 && name.toLowerCase() === 'host');
  return httpRequest({
    host: '127.0.0.1',
    port,
    method,
    path: target,
    headers: named ? headers : ['Host', `127.0.0.1:${port}`, ...headers],
    agent: false,
  });
}

/** Waits for the response to a request and reads it to its end. */
export async function readAnswer(sent: ClientRequest): Promise<RawResponse> {
  const [response] = await once(sent, 'response');
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk);
  const body = Buffer.concat(chunks);
  const text = body.toString('utf8');
  return {
    status: response.statusCode,
    headers: response.headers,
    rawHeaders: response.rawHeaders,
    body,
    text,
    json: () => JSON.parse(text),
  };
}

/** Opens a connection, writes the text as one byte per character, and reads until the server closes the connection. */
export async function exchange(port: number, bytes: string): Promise<string> {
  const socket = await openConnection(port);
  socket.write(bytes, 'latin1');
  return readToEnd(socket);
}

export async function openConnection(port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1');
  await once(socket, 'connect');
  return socket;
}

/** Reads from a connection until the server closes it. */
export async function readToEnd(socket: Socket): Promise<string> {
  let text = '';
  for await (const chunk of socket) text += chunk.toString('latin1');
  return text;
}
