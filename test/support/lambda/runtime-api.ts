import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';

/** Path of the runtime. Run it with Node, with `AWS_LAMBDA_RUNTIME_API`, `LAMBDA_TASK_ROOT` and `_HANDLER` in its environment. */
export const BOOTSTRAP = join(import.meta.dirname, 'bootstrap.ts');

/** An error that Lambda returns instead of a response. Its name is Lambda's error type. */
export class InvocationError extends Error {
  constructor(type: string, message: string) {
    super(message);
    this.name = type;
  }
}

/** An event for a function, with the data of its context. */
export interface Delivery {
  requestId: string;
  functionArn: string;
  /** Epoch milliseconds. */
  deadline: number;
  /** JSON text. */
  event: string;
}

/** A sandbox that can be frozen while its runtime waits for an event: no timer fires and no socket is read. */
export interface Freezable {
  freeze(): unknown;
  thaw(): unknown;
}

/** The server side of the Runtime API for one sandbox: it delivers events to the runtime and receives the responses. */
export class RuntimeApi {
  readonly #server: Server;
  readonly #sandbox: Freezable;
  #idle = settledLater<void>();
  #response = settledLater<string>();
  /** The runtime's pending request for its next event. */
  #next: ServerResponse | undefined;

  /** @param sandbox frozen between events. By default the runtime is not frozen */
  constructor(sandbox: Freezable = { freeze: () => {}, thaw: () => {} }) {
    this.#sandbox = sandbox;
    // Keeps idle connections open, as Lambda does. By default Node closes them after 5 s, which a handler may exceed.
    this.#server = createServer({ keepAliveTimeout: 0 }, (request, response) => {
      this.#serve(request, response).catch((error) => response.destroy(error));
    });
  }

  /** Listens on a free loopback port and returns `host:port`. */
  async listen(): Promise<string> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject).listen(0, '127.0.0.1', resolve);
    });
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Waits until the runtime has started and requests an event. Throws the error that it reports if its start fails. */
  ready(): Promise<void> {
    return this.#idle.promise;
  }

  /** Delivers an event when the runtime requests one, and returns the response as JSON text. One call at a time. */
  async deliver({ requestId, functionArn, deadline, event }: Delivery): Promise<string> {
    await this.#idle.promise;
    this.#idle = settledLater();
    this.#response = settledLater();
    this.#sandbox.thaw();
    this.#next?.writeHead(200, {
      'content-type': 'application/json',
      'lambda-runtime-aws-request-id': requestId,
      'lambda-runtime-deadline-ms': String(deadline),
      'lambda-runtime-invoked-function-arn': functionArn,
      'lambda-runtime-trace-id': 'Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=0',
    });
    this.#next?.end(event);
    return this.#response.promise;
  }

  /** Rejects the pending promise of `ready()` or `deliver()` with this error. */
  fail(error: InvocationError): void {
    this.#idle.reject(error);
    this.#response.reject(error);
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await text(request);
    const what = `${request.method} ${request.url}`.replace(
      /\/invocation\/[^/]+\/(?=response$|error$)/,
      '/invocation/',
    );
    if (what === 'GET /2018-06-01/runtime/invocation/next') {
      this.#next = response;
      this.#sandbox.freeze();
      this.#idle.resolve();
      return;
    }
    // Acknowledge first: the runtime requests the next event only after the acknowledgement.
    response.writeHead(202).end();
    switch (what) {
      case 'POST /2018-06-01/runtime/invocation/response':
        this.#response.resolve(body);
        break;
      case 'POST /2018-06-01/runtime/invocation/error':
        this.#response.reject(reported(body));
        break;
      case 'POST /2018-06-01/runtime/init/error':
        this.#idle.reject(reported(body));
        break;
      default:
        this.fail(new InvocationError('Runtime.InvalidRequest', `The Runtime API has no ${what}`));
    }
  }
}

function reported(body: string): InvocationError {
  const { errorType, errorMessage, trace } = JSON.parse(body);
  return new InvocationError(errorType, [errorMessage, ...(trace ?? [])].join('\n'));
}

/** A promise that may be rejected before it is awaited. */
function settledLater<T>(): PromiseWithResolvers<T> {
  const later = Promise.withResolvers<T>();
  later.promise.catch(() => {});
  return later;
}
