import {
  createServer,
  type IncomingMessage,
  type Server,
  type ServerOptions,
  type ServerResponse,
} from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Cors } from './cors.ts';
import { createEvent } from './gateway-event.ts';
import { createInvoker, type FunctionHost } from './invoke.ts';
import {
  BODY_TOO_LARGE,
  MALFORMED,
  MAX_BODY_BYTES,
  MAX_HEAD_BYTES,
  type Problem,
  problemOf,
  problemResult,
} from './problems.ts';
import { type Head, readBody, readHead, readRequest } from './request.ts';
import { type Result, refuse, refuseConnection, send } from './response.ts';
import type { Router } from './router.ts';

export interface Gateway {
  server: Server;
  /** Stops accepting connections, waits at most `graceMs` for running requests, then closes all connections. */
  stop: (graceMs: number) => Promise<void>;
}

/** The CORS policy, and the time limits of Node's server in milliseconds. */
export interface GatewayOptions
  extends Pick<ServerOptions, 'connectionsCheckingInterval' | 'headersTimeout' | 'requestTimeout'> {
  /** Undefined: pages of other origins may not call. */
  cors?: Cors | undefined;
}

/**
 * Maximum time for a request to arrive, including its body, and the interval at which overdue requests are looked for, in
 * milliseconds. Node's default of five minutes would keep a stalled upload open for as long.
 */
const REQUEST_TIMEOUT_MS = 60_000;
const CHECK_INTERVAL_MS = 5000;

/** Longer than load balancers keep an idle connection (60 s), so that none sends a request on a connection that is being closed. */
const KEEP_ALIVE_MS = 65_000;

/** A server that behaves as API Gateway's HTTP API: it invokes a function with an event for each HTTP request. */
export function createGateway(
  router: Router,
  functions: FunctionHost,
  { cors, ...timeouts }: GatewayOptions = {},
): Gateway {
  const invoke = createInvoker(functions);
  let stopping = false;
  /** By connection: the headers of the request whose body is still arriving. */
  const arriving = new WeakMap<Duplex, Head['headers']>();

  /** @param headers of the request, if they could be read */
  const resultOf = (problem: Problem, headers: Head['headers'] = {}): Result => {
    const result = problemResult(problem, headers);
    return cors?.expose(result, headers.origin) ?? result;
  };

  const serve = (req: IncomingMessage, res: ServerResponse): void => {
    const request = readRequest(req);
    if ('error' in request) {
      refuse(req, res, resultOf(request, readHead(req.rawHeaders).headers));
      return;
    }
    const { headers } = request.head;
    // Node ignores an upgrade without a listener, but then drops later requests and errors of the connection.
    const isLast = (): boolean => headers.upgrade !== undefined || stopping;
    const preflight = cors?.preflight(request);
    if (preflight) {
      send(res, preflight, isLast);
      return;
    }
    const run = (): void => {
      const match = router(request.method, request.target.path);
      invoke(match.name, createEvent(request, match), (result) =>
        send(res, cors?.expose(result, headers.origin) ?? result, isLast),
      );
    };
    const contentLength = headers['content-length'];
    if (headers['transfer-encoding'] === undefined && Number(contentLength ?? 0) === 0) {
      run();
      return;
    }
    arriving.set(req.socket, headers);
    readBody(req, contentLength, MAX_BODY_BYTES, {
      onBody: (body) => {
        arriving.delete(req.socket);
        request.body = body;
        run();
      },
      onTooLarge: () => {
        arriving.delete(req.socket);
        refuse(req, res, resultOf(BODY_TOO_LARGE, headers));
      },
    });
  };

  const server = createServer(
    {
      maxHeaderSize: MAX_HEAD_BYTES,
      keepAliveTimeout: KEEP_ALIVE_MS,
      requestTimeout: REQUEST_TIMEOUT_MS,
      connectionsCheckingInterval: CHECK_INTERVAL_MS,
      // `readRequest` checks it, so that the response has the service's envelope.
      requireHostHeader: false,
      ...timeouts,
    },
    serve,
  );
  // `maxHeaderSize` limits headers by size. A limit by number would drop the rest without an error.
  server.maxHeadersCount = 0;
  // Rejects a body that is too large before the client sends it.
  server.on('checkContinue', (req: IncomingMessage, res: ServerResponse) => {
    if (!(Number(req.headers['content-length']) > MAX_BODY_BYTES)) res.writeContinue();
    serve(req, res);
  });
  // Ignores an unknown Expect header. Node would reject it without the service's envelope.
  server.on('checkExpectation', serve);
  // Rejects CONNECT. Node would close the connection without a response.
  server.on('connect', (_req, socket) => {
    socket.on('error', () => socket.destroy());
    refuseConnection(socket, problemResult(MALFORMED));
  });
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    if (error.code === 'ECONNRESET') socket.destroy();
    else refuseConnection(socket, resultOf(problemOf(error), arriving.get(socket)));
  });

  const connections = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    connections.add(socket);
    socket.once('close', () => connections.delete(socket));
  });

  const stop = (graceMs: number): Promise<void> =>
    new Promise((resolve) => {
      stopping = true;
      const timer = setTimeout(() => server.closeAllConnections(), graceMs);
      // Also closes idle connections, but not those that have sent nothing yet: Node counts these as active.
      server.close(() => {
        clearTimeout(timer);
        resolve();
      });
      // After two turns of the event loop, all data that had arrived on accepted connections has been read.
      setImmediate(() =>
        setImmediate(() => {
          for (const socket of connections) if (socket.bytesRead === 0) socket.destroy();
        }),
      );
    });

  return { server, stop };
}
