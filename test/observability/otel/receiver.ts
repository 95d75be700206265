import { createServer, type IncomingHttpHeaders, type RequestListener, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { LOOPBACK, onFreePort } from '../../support/engines/ports.ts';
import { type DecodedMetric, type DecodedSpan, decodeMetrics, decodeTraces } from './otlp.ts';

/** A collector that accepts OTLP over HTTP in JSON and records it. It rejects requests that do not conform to the specification. */
export interface Receiver {
  /** The value of `OTEL_EXPORTER_OTLP_ENDPOINT`. */
  readonly url: string;
  readonly port: number;
  /** The accepted spans and metrics, in order of arrival. */
  readonly spans: DecodedSpan[];
  readonly metrics: DecodedMetric[];
  /** Every request with its body, accepted or not. */
  readonly received: { path: string; headers: IncomingHttpHeaders; body: string }[];
  /** The reasons why requests were not valid OTLP. */
  readonly problems: string[];
  /** The number of connections that have been made to it. */
  readonly connections: number;
  /** Delays responses by `ms` milliseconds from now on. */
  slow(ms: number): void;
  /** Reads requests without processing them until `release()`. */
  hold(): void;
  /** Processes and answers the held requests in this turn of the event loop. */
  release(): void;
  /** Answers with this status from now on. Accepts spans and metrics only if it is 200. */
  respondWith(status: number, headers?: Record<string, string>): void;
  /** Ends all connections and stops listening. */
  down(): Promise<void>;
  /** Listens again, on the same port. */
  up(): Promise<void>;
  stop(): Promise<void>;
}

/** @param tls key and certificate in PEM; without them, the receiver speaks plain HTTP */
export async function startReceiver(tls?: { key: string; cert: string }): Promise<Receiver> {
  const received: Receiver['received'] = [];
  const spans: DecodedSpan[] = [];
  const metrics: DecodedMetric[] = [];
  const problems: string[] = [];
  const sockets = new Set<Socket>();
  const behaviour = { delayMs: 0, status: 200, headers: {} as Record<string, string>, connections: 0 };
  let held: (() => void)[] | undefined;
  let server: Server | undefined;

  const accept = (path: string, body: string): number => {
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
      const respond = () => {
        const { delayMs, headers } = behaviour;
        const status = behaviour.status === 200 ? accept(path, body) : behaviour.status;
        // Some proxies return the request's headers in the body of an error.
        const content = status === 200 ? '{}' : JSON.stringify(request.headers);
        const end = () =>
          response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(content);
        if (delayMs > 0) setTimeout(end, delayMs).unref();
        else end();
      };
      if (held) held.push(respond);
      else respond();
    };
    const next = tls ? createTlsServer(tls, serve) : createServer(serve);
    // By default Node closes a connection that is idle for five seconds. A busy machine may need more between two requests.
    next.keepAliveTimeout = 60_000;
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
    hold() {
      held ??= [];
    },
    release() {
      const responders = held ?? [];
      held = undefined;
      for (const respond of responders) respond();
    },
    respondWith(status, headers = {}) {
      Object.assign(behaviour, { status, headers });
    },
    down,
    async up() {
      if (!server) await listen(port);
    },
    stop: down,
  };
}
