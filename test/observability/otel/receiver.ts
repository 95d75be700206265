import { createServer, type IncomingHttpHeaders, type RequestListener, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { LOOPBACK, onFreePort } from '../../support/engines/ports.ts';
import { type DecodedMetric, type DecodedSpan, decodeMetrics, decodeTraces } from './otlp.ts';

/** A collector that takes OTLP over HTTP, as JSON, and keeps what came. What is not as the specification has it is refused. */
export interface Receiver {
  /** For `OTEL_EXPORTER_OTLP_ENDPOINT`. */
  readonly url: string;
  readonly port: number;
  /** All that has been taken, in the order in which it came. */
  readonly spans: DecodedSpan[];
  readonly metrics: DecodedMetric[];
  /** Every request with its body, taken or not. */
  readonly received: { path: string; headers: IncomingHttpHeaders; body: string }[];
  /** What came was no OTLP, and why. */
  readonly problems: string[];
  /** How many connections have been made to it. */
  readonly connections: number;
  /** From now on it answers so many milliseconds later. */
  slow(ms: number): void;
  /** From now on it answers with this status, and takes nothing unless that is 200. */
  answerWith(status: number, headers?: Record<string, string>): void;
  /** Ends all connections and listens no more. */
  down(): Promise<void>;
  /** Listens again, on the same port. */
  up(): Promise<void>;
  stop(): Promise<void>;
}

/** @param tls a key and a certificate, both PEM, with which it speaks TLS */
export async function startReceiver(tls?: { key: string; cert: string }): Promise<Receiver> {
  const received: Receiver['received'] = [];
  const spans: DecodedSpan[] = [];
  const metrics: DecodedMetric[] = [];
  const problems: string[] = [];
  const sockets = new Set<Socket>();
  const behaviour = { delayMs: 0, status: 200, headers: {} as Record<string, string>, connections: 0 };
  let server: Server | undefined;

  const take = (path: string, body: string): number => {
    try {
      if (path === '/v1/traces') spans.push(...decodeTraces(body));
      else if (path === '/v1/metrics') metrics.push(...decodeMetrics(body));
      else return 404;
      return 200;
    } catch (error) {
      problems.push(`${path}: ${(error as Error).message}`);
      return 400;
    }
  };
  const listen = async (port: number) => {
    const serve: RequestListener = async (request, response) => {
      const body = await text(request).catch(() => undefined);
      if (body === undefined) return;
      const path = request.url ?? '';
      received.push({ path, headers: request.headers, body });
      const { delayMs, headers } = behaviour;
      const status = behaviour.status === 200 ? take(path, body) : behaviour.status;
      setTimeout(() => {
        response.writeHead(status, { 'content-type': 'application/json', ...headers }).end('{}');
      }, delayMs).unref();
    };
    const next = tls ? createTlsServer(tls, serve) : createServer(serve);
    next.on('connection', (socket: Socket) => {
      behaviour.connections++;
      sockets.add(socket.on('close', () => sockets.delete(socket)));
    });
    await new Promise<void>((resolve, reject) => {
      next.once('error', reject).listen(port, LOOPBACK, resolve);
    });
    server = next;
    return (next.address() as AddressInfo).port;
  };
  const down = async () => {
    const closing = server;
    server = undefined;
    if (!closing) return;
    const closed = new Promise((resolve) => closing.close(resolve));
    for (const socket of sockets) socket.destroy();
    await closed;
  };

  const port = await onFreePort(listen);
  return {
    url: `${tls ? 'https' : 'http'}://${LOOPBACK}:${port}`,
    port,
    spans,
    metrics,
    received,
    problems,
    get connections() {
      return behaviour.connections;
    },
    slow(ms) {
      behaviour.delayMs = ms;
    },
    answerWith(status, headers = {}) {
      Object.assign(behaviour, { status, headers });
    },
    down,
    async up() {
      if (!server) await listen(port);
    },
    stop: down,
  };
}
