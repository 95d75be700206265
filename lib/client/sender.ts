import { sendBatches } from './batches.ts';
import { checkOptions } from './checks.ts';
import { Deadline } from './deadline.ts';
import { randomId } from './runtime.ts';
import type { Settings } from './settings.ts';
import { addHeaders, type Call, type Request, send } from './transport.ts';
import type { CallOptions, ClientOptions } from './types.ts';

/** Sends the requests of a client. Each method is one call: its requests share a deadline and headers. */
export class Sender {
  readonly #options: ClientOptions;
  readonly #settings: Settings;

  constructor(options: ClientOptions, settings: Settings) {
    this.#options = options;
    this.#settings = settings;
  }

  async send<T>(request: Request<T>, options: CallOptions, timeoutMs = this.#settings.timeoutMs): Promise<T> {
    return this.run(options, timeoutMs, (call) => send(this.#settings.transport, call, request));
  }

  /** As `sendBatches`, within the time of one call. */
  async sendAll<I, T>(
    batches: I[][],
    requestOf: (items: I[]) => Request<T>,
    options: CallOptions,
    toCallerIndex?: (index: number) => number,
  ): Promise<T[]> {
    return this.run(options, this.#settings.timeoutMs, (call) =>
      sendBatches(batches, (items) => send(this.#settings.transport, call, requestOf(items)), toCallerIndex),
    );
  }

  /** @param timeoutMs applies unless the options contain one */
  async run<T>(options: CallOptions, timeoutMs: number, work: (call: Call) => Promise<T>): Promise<T> {
    checkOptions(options);
    return this.#run(options, timeoutMs, this.#headers(options), work);
  }

  /** Starts a call whose requests share headers, and have the time of a call each. @returns function that sends one request */
  series(options: CallOptions): <T>(request: Request<T>) => Promise<T> {
    checkOptions(options);
    const { transport, timeoutMs } = this.#settings;
    const headers = this.#headers(options);
    return (request) => this.#run(options, timeoutMs, headers, (call) => send(transport, call, request));
  }

  async #run<T>(
    { timeoutMs: ownTimeoutMs, signal }: CallOptions,
    timeoutMs: number,
    headers: Call['headers'],
    work: (call: Call) => Promise<T>,
  ): Promise<T> {
    const deadline = new Deadline(ownTimeoutMs ?? timeoutMs, signal, headers['x-correlation-id']);
    try {
      return await work({ deadline, headers });
    } finally {
      deadline.close();
    }
  }

  #headers({ headers: own, correlationId }: CallOptions): Call['headers'] {
    const { tenant, userId, headers } = this.#options;
    const all: Record<string, string> = { 'x-correlation-id': randomId() };
    addHeaders(all, headers?.());
    addHeaders(all, own);
    addHeaders(all, { 'x-correlation-id': correlationId, 'x-tenant-id': tenant, 'x-user-id': userId });
    return all;
  }
}
