import { check, checkClientOptions, isObject } from './checks.ts';
import type { Stringify } from './json.ts';
import type { TransportSettings } from './transport.ts';
import type { ClientOptions } from './types.ts';

/** A client's options, checked and completed with defaults. */
export interface Settings {
  transport: TransportSettings;
  stringify: Stringify;
  timeoutMs: number;
  /** For `invalidate` and `clear`. */
  removalTimeoutMs: number;
  /** For the lookup and the set of a `getOrSet`, each. */
  fillTimeoutMs: number;
  produceTimeoutMs: number;
}

const TIMEOUT_MS = 10_000;

/** Enough for two requests of 29 s, the longest that the service takes. */
const REMOVAL_TIMEOUT_MS = 60_000;

/** Three times a cold start. Producing is then faster than waiting. */
const FILL_TIMEOUT_MS = 1000;

/** Longer than API Gateway waits for a response (29 s). A producer that hangs blocks its key for this time. */
const PRODUCE_TIMEOUT_MS = 60_000;

/** @throws TypeError for an invalid option */
export function settingsOf(options: ClientOptions): Settings {
  check(isObject(options), 'options must be an object, e.g. { url, tenant }');
  const { timeoutMs = TIMEOUT_MS, retries = 2, authorize, parse, stringify } = options;
  const transport = {
    url: baseUrl(options.url),
    // Read at each request: instrumentation may replace it after the client was created.
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
    // `href` also shows an empty query or fragment, behind which no path can be added.
    if (/^https?:$/.test(protocol) && !(username || password || /[?#]/.test(href)))
      return href.replace(/\/+$/, '');
  } catch {
    // Not a URL: same error as below.
  }
  throw new TypeError('url must be http: or https:, without user, query and fragment');
}
