import {
  createServer,
  type IncomingMessage,
  type Server,
  type ServerOptions,
  type ServerResponse,
} from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { readBody } from './body.ts';
import type { Cors } from './cors.ts';
import { createEvent } from './gateway-event.ts';
import { readRequest } from './incoming.ts';
import { createInvoker, type FunctionHost } from './invoke.ts';
import {
  answerTo,
  BODY_TOO_LARGE,
  MALFORMED,
  MAX_BODY_BYTES,
  MAX_HEAD_BYTES,
  type Problem,
  problemBehind,
} from './problems.ts';
import { type Head, readHead } from './request-head.ts';
import { type Result, refuse, refuseConnection, send } from './response.ts';
import type { Router } from './router.ts';

export interface Gateway {
  server: Server;
  /** Takes no more connections, lets requests under way finish for at most `graceMs`, then cuts what is left. */
  stop: (graceMs: number) => Promise<void>;
}

/** The CORS policy, and the time limits of Node's server in milliseconds. */
export interface GatewayOptions
  extends Pick<ServerOptions, 'connectionsCheckingInterval' | 'headersTimeout' | 'requestTimeout'> {
  /** Undefined: no page of another origin may call. */
  cors?: Cors | undefined;
}

/**
 * Maximum time for a request to arrive, including its body, and the interval at which overdue requests are looked for, in
 * milliseconds. Node's default of five minutes would keep a stalled upload open for as long.
 */
const REQUEST_TIMEOUT_MS = 60_000;
const CHECK_INTERVAL_MS = 5000;

/** Longer than load balancers keep an idle connection (60 s), so that none sends a request into one just being closed. */
const KEEP_ALIVE_MS = 65_000;

/** A server that stands in for API Gateway's HTTP API: HTTP in, events to the functions, their answers back. */
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
  const answerOf = (problem: Problem, headers: Head['headers'] = {}): Result => {
    const answer = answerTo(problem, headers);
    return cors?.expose(answer, headers.origin) ?? answer;
  };

  const serve = (req: IncomingMessage, res: ServerResponse): void => {
    const request = readRequest(req);
    if ('error' in request) {
      // Not Node's own `headers`, which join what came twice in another way than functions see it.
      refuse(req, res, answerOf(request, readHead(req.rawHeaders).headers));
      return;
    }
    const { headers } = request.head;
    // Node passes over an upgrade that nobody listens for, but then loses what comes behind it, and every error of it as well.
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
    const declared = headers['content-length'];
    if (headers['transfer-encoding'] === undefined && Number(declared ?? 0) === 0) {
      run();
      return;
    }
    arriving.set(req.socket, headers);
    readBody(req, declared, MAX_BODY_BYTES, {
      whole: (body) => {
        arriving.delete(req.socket);
        request.body = body;
        run();
      },
      tooLarge: () => {
        arriving.delete(req.socket);
        refuse(req, res, answerOf(BODY_TOO_LARGE, headers));
      },
    });
  };

  const server = createServer(
    {
      maxHeaderSize: MAX_HEAD_BYTES,
      keepAliveTimeout: KEEP_ALIVE_MS,
      requestTimeout: REQUEST_TIMEOUT_MS,
      connectionsCheckingInterval: CHECK_INTERVAL_MS,
      // Checked by `readRequest` instead, so that the answer has the contract's envelope.
      requireHostHeader: false,
      ...timeouts,
    },
    serve,
  );
  // Their bytes are bounded; a bound on their number would drop the rest in silence.
  server.maxHeadersCount = 0;
  // A body that is too large is refused before the client is told to go on and send it.
  server.on('checkContinue', (req: IncomingMessage, res: ServerResponse) => {
    if (!(Number(req.headers['content-length']) > MAX_BODY_BYTES)) res.writeContinue();
    serve(req, res);
  });
  // Node would refuse it without the contract's envelope; a server may as well ignore what it does not know.
  server.on('checkExpectation', serve);
  // A tunnel to somewhere else: Node would end the connection without a word.
  server.on('connect', (_req, socket) => {
    socket.on('error', () => socket.destroy());
    refuseConnection(socket, answerTo(MALFORMED));
  });
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    if (error.code === 'ECONNRESET') socket.destroy();
    else refuseConnection(socket, answerOf(problemBehind(error), arriving.get(socket)));
  });

  const connections = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    connections.add(socket);
    socket.once('close', () => connections.delete(socket));
  });

  const stop = (graceMs: number): Promise<void> =>
    new Promise((resolve) => {
      stopping = true;
      const cut = setTimeout(() => server.closeAllConnections(), graceMs);
      // This also closes idle connections, but not those that have sent nothing yet: Node counts them as active.
      server.close(() => {
        clearTimeout(cut);
        resolve();
      });
      // After two turns of the event loop, everything that had arrived on an accepted connection has been read.
      setImmediate(() =>
        setImmediate(() => {
          for (const socket of connections) if (socket.bytesRead === 0) socket.destroy();
        }),
      );
    });

  return { server, stop };
}
