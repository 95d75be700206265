import type { Answer } from './answer.ts';
import type { Deadline } from './deadline.ts';
import { connectionError, mayRepeat, type Repeatable, waitMs } from './retry.ts';
import { type Fetch, isControlFlow, noStoreOption, randomId } from './runtime.ts';
import type { Authorize } from './types.ts';

/** How requests get to a service and answers back. */
export interface TransportSettings {
  /** Without a slash at its end. */
  url: string;
  fetch: Fetch;
  authorize: Authorize | undefined;
  parse: (text: string) => unknown;
  /** How often a request is sent again. */
  retries: number;
}

/** What all requests of one call share. */
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
  repeatable: Repeatable;
  /** Makes of an answer what the request is for. @throws CacheError for one that is a failure */
  read: (answer: Answer) => T;
}

/**
 * Sends a request and reads its answer; where that fails and may be tried again, again, as long as there is time.
 *
 * @throws CacheError, or the reason for which the caller's signal ended the call
 */
export async function send<T>(settings: TransportSettings, call: Call, request: Request<T>): Promise<T> {
  for (let retries = 0; ; retries++) {
    try {
      return request.read(await exchange(settings, call, request));
    } catch (error) {
      if (retries >= settings.retries || !mayRepeat(request.repeatable, error)) throw error;
      const ms = waitMs(retries, error);
      // What has failed tells more than that time ran out while nothing was tried.
      if (ms >= call.deadline.leftMs()) throw error;
      await call.deadline.sleep(ms);
    }
  }
}

/** Adds headers to others, under names in lower case and in place of those that were there. */
export function addHeaders(
  headers: Record<string, string>,
  more: Readonly<Record<string, string | undefined>> | undefined,
): void {
  for (const [name, value] of Object.entries(more ?? {})) {
    if (value !== undefined) headers[name.toLowerCase()] = value;
  }
}

async function exchange(
  settings: TransportSettings,
  { deadline, headers: shared }: Call,
  { method, target, body }: Request<unknown>,
): Promise<Answer> {
  const url = settings.url + target;
  const requestId = randomId();
  const headers: Record<string, string> = { ...shared, 'x-request-id': requestId };
  if (body !== undefined) headers['content-type'] = 'application/json';
  const outgoing = { method, url, headers, body: body ?? '' };
  addHeaders(headers, await deadline.within(settings.authorize?.(outgoing)));
  try {
    const { signal } = deadline;
    const init = {
      method,
      headers,
      redirect: 'manual',
      signal,
      ...noStoreOption(),
      ...(body !== undefined && { body }),
    } as const;
    // Not as a method: browsers want theirs called on the window or on nothing.
    const { fetch } = settings;
    const response = await deadline.within(fetch(url, init));
    // Read whole, whatever it is: a connection is free for the next request only then.
    const text = await deadline.within(response.text());
    return {
      request: `${method} ${url.replace(/\?.*/, '')}`,
      status: response.status,
      text,
      header: (name) => response.headers.get(name),
      parse: settings.parse,
    };
  } catch (error) {
    if (deadline.signal.aborted || isControlFlow(error)) throw error;
    // `fetch` throws one and the same error for a header that cannot be sent and for a network that is down.
    checkHeaders(headers);
    throw connectionError(error, settings.url, { correlationId: headers['x-correlation-id'], requestId });
  }
}

/** @throws TypeError that names a header which cannot be sent */
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
