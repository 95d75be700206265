import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';

/** The runtime: run it by Node with `AWS_LAMBDA_RUNTIME_API`, `LAMBDA_TASK_ROOT` and `_HANDLER` in its environment. */
export const BOOTSTRAP = join(import.meta.dirname, 'bootstrap.ts');

/** What Lambda reports in place of an answer: the error's type is its name. */
export class InvocationError extends Error {
  constructor(type: string, message: string) {
    super(message);
    this.name = type;
  }
}

/** An event on its way to a function, with what the runtime makes the context of. */
export interface Delivery {
  requestId: string;
  functionArn: string;
  /** Epoch milliseconds. */
  deadline: number;
  /** JSON text. */
  event: string;
}

/** A sandbox does not run while its runtime waits for an event: no timer fires and no socket is read. */
export interface Freezable {
  freeze(): unknown;
  thaw(): unknown;
}

/** Lambda's side of the Runtime API, from which the runtime in one sandbox takes events and to which it gives answers. */
export class RuntimeApi {
  readonly #server: Server;
  readonly #sandbox: Freezable;
  #idle = settledLater<void>();
  #answer = settledLater<string>();
  /** The runtime's request for its next event, while that has not come. */
  #next: ServerResponse | undefined;

  /** @param sandbox is frozen and thawed between events; without one, the runtime just waits */
  constructor(sandbox: Freezable = { freeze: () => {}, thaw: () => {} }) {
    this.#sandbox = sandbox;
    // Like Lambda's, it keeps idle connections: an answer that took longer than the default of 5 s would meet a closed one.
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

  /** Waits until the runtime has started and asks for an event; throws what it reports if its start fails. */
  ready(): Promise<void> {
    return this.#idle.promise;
  }

  /** Hands over an event once the runtime asks for one, and returns the answer as JSON text. One at a time. */
  async deliver({ requestId, functionArn, deadline, event }: Delivery): Promise<string> {
    await this.#idle.promise;
    this.#idle = settledLater();
    this.#answer = settledLater();
    this.#sandbox.thaw();
    this.#next?.writeHead(200, {
      'content-type': 'application/json',
      'lambda-runtime-aws-request-id': requestId,
      'lambda-runtime-deadline-ms': String(deadline),
      'lambda-runtime-invoked-function-arn': functionArn,
      'lambda-runtime-trace-id': 'Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=0',
    });
    this.#next?.end(event);
    return this.#answer.promise;
  }

  /** Makes whoever waits for the runtime get this error. */
  fail(error: InvocationError): void {
    this.#idle.reject(error);
    this.#answer.reject(error);
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
    // Answered first: the runtime asks for the next event only when it knows that this answer has arrived.
    response.writeHead(202).end();
    switch (what) {
      case 'POST /2018-06-01/runtime/invocation/response':
        this.#answer.resolve(body);
        break;
      case 'POST /2018-06-01/runtime/invocation/error':
        this.#answer.reject(reported(body));
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

/** A promise that may be rejected while nobody waits for it. */
function settledLater<T>(): PromiseWithResolvers<T> {
  const later = Promise.withResolvers<T>();
  later.promise.catch(() => {});
  return later;
}
