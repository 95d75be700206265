import { check, checkClientOptions, isObject } from './checks.ts';
import type { Stringify } from './json.ts';
import type { TransportSettings } from './transport.ts';
import type { ClientOptions } from './types.ts';

/** A client's options, checked and with what they leave open. */
export interface Settings {
  transport: TransportSettings;
  stringify: Stringify;
  /** Of a call. */
  timeoutMs: number;
  /** Of a call that takes as long as there are entries to remove. */
  removalTimeoutMs: number;
  /** Of the lookup and of the set of a `getOrSet`, each. */
  fillTimeoutMs: number;
  produceTimeoutMs: number;
}

const TIMEOUT_MS = 10_000;

/** The service works for up to 29 s at a time, so that this is enough for two. */
const REMOVAL_TIMEOUT_MS = 60_000;

/** A cold start takes a third of it. Beyond, it is better to begin with producing. */
const FILL_TIMEOUT_MS = 1000;

/** Longer than a caller behind API Gateway waits (29 s). A producer that hangs blocks its key for as long. */
const PRODUCE_TIMEOUT_MS = 60_000;

/** @throws TypeError for an option of another type, and for a URL that is none or has what a base URL cannot have */
export function settingsOf(options: ClientOptions): Settings {
  check(isObject(options), 'options must be an object, e.g. { url, tenant }');
  const { timeoutMs = TIMEOUT_MS, retries = 2, authorize, parse, stringify } = options;
  const transport = {
    url: baseUrl(options.url),
    // Looked up at each request: instrumentation replaces it later than clients are made.
    fetch: options.fetch ?? ((url, request) => globalThis.fetch(url, request)),
    authorize,
    parse: parse ?? ((text: string): unknown => JSON.parse(text)),
    retries,
  } satisfies TransportSettings;
  checkClientOptions(options);
  return {
    transport,
    stringify: stringify ?? ((value) => JSON.stringify(value)),
    timeoutMs,
    removalTimeoutMs: Math.max(timeoutMs, REMOVAL_TIMEOUT_MS),
    fillTimeoutMs: Math.min(timeoutMs, FILL_TIMEOUT_MS),
    produceTimeoutMs: options.produceTimeoutMs ?? PRODUCE_TIMEOUT_MS,
  };
}

function baseUrl(text: string): string {
  try {
    const { protocol, username, password, href } = new URL(text);
    // Empty ones too: what comes behind a mark of theirs would be no path.
    if (/^https?:$/.test(protocol) && !(username || password || /[?#]/.test(href)))
      return href.replace(/\/+$/, '');
  } catch {
    // Falls through to the same answer.
  }
  throw new TypeError('url must be http: or https:, without user, query and fragment');
}
