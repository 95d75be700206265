import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { onTestFinished } from 'vitest';
import { LOOPBACK } from '../support/engines/ports.ts';

/** A request as it came in. */
export interface Asked {
  method: string;
  target: string;
  headers: IncomingHttpHeaders;
  body: string;
}

export interface Reply {
  status: number;
  headers?: Record<string, string>;
  /** Text goes out as it is, all else as JSON. */
  body?: unknown;
}

/** What is done to a request: `reset` breaks the connection, `hang` never answers, `cut` ends the answer halfway. */
export type Move = Reply | 'reset' | 'hang' | 'cut' | ((asked: Asked) => Move);

export interface Scripted {
  url: string;
  /** All requests so far, in order. */
  asked: Asked[];
  /** How many connections have been made. */
  connections: () => number;
}

/** A server that fails on purpose: each request gets the next move, and the last move stays. It ends with the test. */
export async function script(...moves: [Move, ...Move[]]): Promise<Scripted> {
  const asked: Asked[] = [];
  const server = createServer(async (req, res) => {
    const { method = '', url: target = '', headers } = req;
    const index = asked.length;
    const one: Asked = { method, target, headers, body: '' };
    asked.push(one);
    one.body = await text(req);
    let move = moves[Math.min(index, moves.length - 1)] as Move;
    while (typeof move === 'function') move = move(one);
    if (move === 'hang') return;
    if (move === 'reset') {
      req.socket.resetAndDestroy();
    } else if (move === 'cut') {
      res.writeHead(200, { 'content-length': '1000' }).write('{"success":');
      res.destroy();
    } else {
      const { status, headers: extra = {}, body } = move;
      res.writeHead(status, { 'content-type': 'application/json', ...extra });
      res.end(body === undefined || typeof body === 'string' ? body : JSON.stringify(body));
    }
  });
  let connections = 0;
  server.on('connection', () => connections++);
  server.listen(0, LOOPBACK);
  await once(server, 'listening');
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  const { port } = server.address() as AddressInfo;
  return { url: `http://${LOOPBACK}:${port}`, asked, connections: () => connections };
}

/** A success in the service's envelope. */
export function success(data: unknown, status = 200): Reply {
  const rest = { message: null, correlation_id: 'c', request_id: 'r', timestamp: '', metadata: {} };
  return { status, body: { success: true, data, ...rest } };
}

/** A failure in the service's envelope. */
export function failure(status: number, code: string, details = {}, headers = {}): Reply {
  const error = { code, message: `It is ${code}`, details };
  const body = { success: false, error, correlation_id: 'c', request_id: 'r', timestamp: '' };
  return { status, headers, body };
}

/** What API Gateway answers by itself. */
export const throttled: Reply = { status: 429, body: { message: 'Too Many Requests' } };
export const unavailable: Reply = { status: 503, body: { message: 'Service Unavailable' } };

/** The key in the query or in the body. */
const keyOf = ({ target, body }: Asked): unknown =>
  new URLSearchParams(target.split('?')[1]).get('key') ?? (body && JSON.parse(body).key);

export const miss = (asked: Asked): Reply => success({ key: keyOf(asked), found: false });

/** Responses to a lease request for a key without a value. */
export const TOKEN = 'token-of-11';
export const granted = (asked: Asked): Reply =>
  success({ key: keyOf(asked), found: false, lease: { token: TOKEN, ttl: 30 } });
export const held = (asked: Asked): Reply => success({ key: keyOf(asked), found: false, retry_after_ms: 1 });

/** The response to a lease request for a key with a stale value. @param lease whether it is granted */
export const stale =
  (value: unknown, lease: boolean) =>
  (asked: Asked): Reply =>
    success({
      ...{ key: keyOf(asked), found: true, value, ttl: 0, stale: true },
      ...(lease && { lease: { token: TOKEN, ttl: 30 } }),
    });

export const leaseLost: Reply = failure(409, 'LEASE_LOST');
export const released: Reply = { status: 204 };

/** The path of each request without its prefix: `lease`, `lease/release`, `batch/get`; empty for a get and a set. */
export const pathsOf = ({ asked }: Scripted): string[] =>
  asked.map(({ target }) => target.replace(/^\/api\/v1\/cache\/?/, '').replace(/\?.*/, ''));

export const hit = (value: unknown) => (): Reply => success({ key: 'k', value, found: true, ttl: 60 });

export const wasSet = ({ body }: Asked): Reply => {
  const { key, ttl = 300 } = JSON.parse(body);
  return success({ key, status: 'set', ttl }, 201);
};
