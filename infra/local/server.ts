import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { readBody } from './body.ts';
import { createEvent } from './gateway-event.ts';
import { readRequest } from './incoming.ts';
import { createInvoker, type FunctionHost } from './invoke.ts';
import { answerTo, BODY_TOO_LARGE, MAX_BODY_BYTES, MAX_HEAD_BYTES, problemBehind } from './problems.ts';
import { refuse, refuseConnection, send } from './response.ts';
import type { Router } from './router.ts';

export interface Gateway {
  server: Server;
  /** Takes no more connections, lets requests under way finish for at most `graceMs`, then cuts what is left. */
  stop: (graceMs: number) => Promise<void>;
}

/** Longer than load balancers keep an idle connection (60 s), so that none sends a request into one just being closed. */
const KEEP_ALIVE_MS = 65_000;

/** A server that stands in for API Gateway's HTTP API: HTTP in, events to the functions, their answers back. */
export function createGateway(router: Router, functions: FunctionHost): Gateway {
  const invoke = createInvoker(functions);
  let stopping = false;

  const serve = (req: IncomingMessage, res: ServerResponse): void => {
    const request = readRequest(req);
    if ('error' in request) {
      refuse(req, res, answerTo(request, req.headers));
      return;
    }
    const run = (): void => {
      const match = router(request.method, request.target.path);
      invoke(match.name, createEvent(request, match), (result) => send(res, result, stopping));
    };
    const { headers } = request.head;
    const declared = headers['content-length'];
    if (headers['transfer-encoding'] === undefined && Number(declared ?? 0) === 0) {
      run();
      return;
    }
    readBody(req, declared, MAX_BODY_BYTES, {
      whole: (body) => {
        request.body = body;
        run();
      },
      tooLarge: () => refuse(req, res, answerTo(BODY_TOO_LARGE, headers)),
    });
  };

  const server = createServer(
    {
      maxHeaderSize: MAX_HEAD_BYTES,
      keepAliveTimeout: KEEP_ALIVE_MS,
      // Checked by `readRequest` instead, so that the answer has the contract's envelope.
      requireHostHeader: false,
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
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    if (error.code === 'ECONNRESET') socket.destroy();
    else refuseConnection(socket, answerTo(problemBehind(error)));
  });

  const stop = (graceMs: number): Promise<void> =>
    new Promise((resolve) => {
      stopping = true;
      const cut = setTimeout(() => server.closeAllConnections(), graceMs);
      server.close(() => {
        clearTimeout(cut);
        resolve();
      });
    });

  return { server, stop };
}
