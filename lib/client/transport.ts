import { onAbort } from './abort.ts';
import type { Deadline } from './deadline.ts';
import type { ServiceResponse } from './response.ts';
import { connectionError, mayRetry, type RetryPolicy, retryDelayMs } from './retry.ts';
import { type Fetch, isControlFlow, noStoreOption, randomId, type Signal } from './runtime.ts';
import type { Authorize } from './types.ts';

export interface TransportSettings {
  /** Without a trailing slash. */
  url: string;
  fetch: Fetch;
  authorize: Authorize | undefined;
  parse: (text: string) => unknown;
  retries: number;
}

/** Shared by all requests of one call. */
export interface Call {
  deadline: Deadline;
  /** Names in lower case. */
  headers: Readonly<Record<string, string>>;
}

export interface Request<T> {
  method: 'GET' | 'POST' | 'DELETE';
  /** Path and query. */
  target: string;
  /** JSON text. */
  body?: string;
  retry: RetryPolicy;
  /**
   * Converts the response to the request's result. @throws CacheError for a failure
   *
   * @param isRepeated the service may also have received an earlier attempt, whose response was lost
   */
  read: (response: ServiceResponse, isRepeated: boolean) => T;
  /** Receives the result of a response that arrives after the call's deadline, within {@link LATE_MS}. */
  onLate?: ((result: T) => void) | undefined;
}

/** For how long a request with `onLate` waits for a response after the call's deadline. */
const LATE_MS = 5000;

/**
 * Sends a request and reads its response. Retries within the call's deadline where that is safe.
 *
 * @throws CacheError, or the reason of the caller's signal
 */
export async function send<T>(settings: TransportSettings, call: Call, request: Request<T>): Promise<T> {
  let isRepeated = false;
  for (let retries = 0; ; retries++) {
    try {
      return request.read(await exchange(settings, call, request), isRepeated);
    } catch (error) {
      if (retries >= settings.retries || !mayRetry(request.retry, error)) throw error;
      const ms = retryDelayMs(retries, error);
      // Waiting for the deadline would replace this error by one that does not say what failed.
      if (ms >= call.deadline.remainingMs()) throw error;
      isRepeated ||= !mayRetry('if-not-received', error);
      await call.deadline.sleep(ms);
    }
  }
}

/** Adds headers under lower-case names, replacing existing ones. */
export function addHeaders(
  headers: Record<string, string>,
  more: Readonly<Record<string, string | undefined>> | undefined,
): void {
  for (const [name, value] of Object.entries(more ?? {})) {
    if (value !== undefined) headers[name.toLowerCase()] = value;
  }
}

async function exchange<T>(
  settings: TransportSettings,
  { deadline, headers: shared }: Call,
  { method, target, body, read, onLate }: Request<T>,
): Promise<ServiceResponse> {
  const url = settings.url + target;
  const requestId = randomId();
  const headers: Record<string, string> = { ...shared, 'x-request-id': requestId };
  if (body !== undefined) headers['content-type'] = 'application/json';
  const outgoing = { method, url, headers, body: body ?? '' };
  addHeaders(headers, await deadline.within(settings.authorize?.(outgoing)));
  const late = new LateEnd(deadline.signal);
  const answer = async (): Promise<ServiceResponse> => {
    const init = {
      method,
      headers,
      redirect: 'manual',
      signal: onLate ? late.signal : deadline.signal,
      ...noStoreOption(),
      ...(body !== undefined && { body }),
    } as const;
    // Not called as a method: in browsers, `this` has to be the window or undefined.
    const { fetch } = settings;
    const response = await fetch(url, init);
    return {
      request: `${method} ${url.replace(/\?.*/, '')}`,
      status: response.status,
      // A connection is free for the next request only after the body was read.
      text: await response.text(),
      header: (name) => response.headers.get(name),
      parse: settings.parse,
    };
  };
  const answered = answer().finally(() => late.cancel());
  try {
    return await deadline.within(answered);
  } catch (error) {
    if (deadline.signal.aborted || isControlFlow(error)) {
      answered.then((response) => onLate?.(read(response, false))).catch(() => {});
      throw error;
    }
    // `fetch` throws a TypeError for an invalid header as well as for a network that is down.
    checkHeaders(headers);
    throw connectionError(error, settings.url, { correlationId: headers['x-correlation-id'], requestId });
  }
}

/** Fires `LATE_MS` after another signal, unless it is cancelled before. */
class LateEnd {
  readonly #controller = new AbortController();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #removeListener: (() => void) | undefined;

  constructor(ended: Signal) {
    this.#removeListener = onAbort(ended, () => {
      this.#timer = setTimeout(() => this.#controller.abort(), LATE_MS);
    });
  }

  get signal(): Signal {
    return this.#controller.signal;
  }

  cancel(): void {
    this.#removeListener?.();
    clearTimeout(this.#timer);
  }
}

/** @throws TypeError that names an invalid header */
function checkHeaders(headers: Record<string, string>): void {
  for (const [name, value] of Object.entries(headers)) {
    try {
      new Headers({ [name]: value });
    } catch (cause) {
      const { message } = cause as TypeError;
      throw new TypeError(`The header ${name} cannot be sent: ${message}`, { cause });
    }
  }
}
