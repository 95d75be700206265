import type { Agent, IncomingMessage, RequestOptions, request as requestHttp } from 'node:http';

/** What became of a body that was sent. */
export type Outcome =
  | { kind: 'taken' }
  /** It did not arrive, or the collector asks for it again: after `retryAfterMs`, if it says when. */
  | { kind: 'later'; reason: string; retryAfterMs?: number }
  /** Sending it again is of no use, or might count it twice. */
  | { kind: 'lost'; reason: string };

export interface SenderOptions {
  url: string;
  headers: Readonly<Record<string, string>>;
  /** From the start of a request until its whole answer, in milliseconds. */
  timeoutMs: number;
}

/** Statuses after which the specification of OTLP wants the same again. */
const RETRYABLE = [429, 502, 503, 504];

/**
 * A connection that was idle for longer is not used again, in milliseconds: what stands between often forgets one after a
 * minute or more, and in a frozen function nobody hears of it.
 */
const MAX_IDLE_MS = 50_000;

/** Sends bodies to one URL over one connection, which it keeps. Neither that nor a request keeps the process alive. */
export class Sender {
  readonly #options: SenderOptions;
  readonly #agent: Agent;
  readonly #request: typeof requestHttp;
  #usedAt = 0;

  private constructor(options: SenderOptions, agent: Agent, request: typeof requestHttp) {
    this.#options = options;
    this.#agent = agent;
    this.#request = request;
  }

  /** TLS is loaded only where it is used: it takes a cold start some milliseconds. */
  static async open(options: SenderOptions): Promise<Sender> {
    const { Agent, request } = options.url.startsWith('https:')
      ? await import('node:https')
      : await import('node:http');
    return new Sender(options, new Agent({ keepAlive: true, maxSockets: 1 }), request);
  }

  /** Posts JSON, one body at a time. Never rejects. */
  send(body: Uint8Array): Promise<Outcome> {
    if (Date.now() - this.#usedAt > MAX_IDLE_MS) this.#agent.destroy();
    const { url, headers, timeoutMs } = this.#options;
    const options: RequestOptions = {
      method: 'POST',
      agent: this.#agent,
      headers: { ...headers, 'content-type': 'application/json', 'content-length': body.byteLength },
    };
    return new Promise((resolve) => {
      const outgoing = this.#request(url, options, (incoming) => {
        readToEnd(incoming, (complete) => {
          settle(complete ? outcomeOf(incoming) : { kind: 'lost', reason: 'answer broken off' });
        });
      });
      const settle = (outcome: Outcome) => {
        clearTimeout(timer);
        this.#usedAt = Date.now();
        resolve(outcome);
      };
      // After a freeze timers run before sockets are read: so the answer, which may be there, gets its turn first.
      const timer = setTimeout(() => setImmediate(() => outgoing.destroy(new Error('no answer'))), timeoutMs);
      timer.unref();
      outgoing.on('socket', (socket) => socket.unref());
      outgoing.on('error', (error: NodeJS.ErrnoException) => {
        const reason = error.code ?? error.message;
        // What the other end closed while it was idle has been read by nobody.
        const unread = !outgoing.writableFinished || (outgoing.reusedSocket && error.code === 'ECONNRESET');
        settle({ kind: unread ? 'later' : 'lost', reason });
      });
      outgoing.end(body);
    });
  }

  close(): void {
    this.#agent.destroy();
  }
}

/** The answer's content tells nothing that its status does not, but a connection is free only when it has been read. */
function readToEnd(incoming: IncomingMessage, done: (complete: boolean) => void): void {
  incoming.on('close', () => done(incoming.complete)).on('error', () => {});
  incoming.resume();
}

function outcomeOf({ statusCode = 0, headers }: IncomingMessage): Outcome {
  if (statusCode >= 200 && statusCode < 300) return { kind: 'taken' };
  const reason = `status ${statusCode}`;
  if (!RETRYABLE.includes(statusCode)) return { kind: 'lost', reason };
  const seconds = Number(headers['retry-after']);
  return { kind: 'later', reason, ...(seconds > 0 && { retryAfterMs: seconds * 1000 }) };
}
