import { randomUUID } from 'node:crypto';
import type { MiddlewareObj } from '@middy/core';
import type { APIGatewayProxyEventV2, Context } from 'aws-lambda';
import { ValidationError } from '../errors.ts';
import type { RequestContext } from '../request-context.ts';
import type { Operation } from '../routes.ts';
import { misspelledName } from './misspelling.ts';
import type { HttpResponse, RequestIds } from './response.ts';
import { keySchema, validate } from './schemas.ts';

/** Middlewares get the event as API Gateway delivers it, and the request's record as a part of Lambda's context. */
export type Middleware = MiddlewareObj<APIGatewayProxyEventV2, HttpResponse, Error, MiddlewareContext>;
export type MiddlewareContext = Context & { request: RequestContext };

/** Header names in lower case, as API Gateway delivers them. */
type Headers = Readonly<Record<string, string | undefined>>;

/** API Gateway's limit for a response, in milliseconds. Used where Lambda does not report the remaining time. */
const GATEWAY_TIMEOUT_MS = 30_000;

/** Time for the response after the last operation on the backend has failed, in milliseconds. */
const RESPONSE_MS = 100;

/** Creates the record of a request. @param given any value: a caller who may invoke the function can pass anything */
export function createRequestContext(
  operation: Operation,
  given: unknown,
  lambda: Partial<Context> | undefined,
  backendTimeoutMs: number,
): RequestContext {
  const event = eventOf(given);
  return {
    operation,
    event,
    lambda: lambda ?? {},
    ...requestIds(event.headers),
    startedMonotonicMs: performance.now(),
    deadlineEpochMs: deadlineEpochMs(lambda, backendTimeoutMs),
    tenant: '',
    body: undefined,
    rawValues: [],
    logFields: {},
    counters: {},
    backendTimesMs: [],
    compressionSavedBytes: 0,
    limitEvictions: 0,
    rate: undefined,
  };
}

function eventOf(given: unknown): APIGatewayProxyEventV2 {
  const event = (typeof given === 'object' && given !== null ? given : {}) as APIGatewayProxyEventV2;
  return event.headers ? event : { ...event, headers: {} };
}

// Visible ASCII only: whatever is echoed must be harmless in a header and in a log line.
const ACCEPTED_ID = /^[\x21-\x7e]{1,128}$/;

/** The caller's identifiers; a UUID v4 replaces one that is absent, too long or not visible ASCII. */
export function requestIds(headers: Headers): RequestIds {
  const accepted = (name: string) => {
    const given = headers[name];
    return typeof given === 'string' && ACCEPTED_ID.test(given) ? given : randomUUID();
  };
  return { correlationId: accepted('x-correlation-id'), requestId: accepted('x-request-id') };
}

/**
 * When work for a request must stop.
 *
 * @param backendTimeoutMs how long an operation that is in progress at that time may take to fail
 */
export function deadlineEpochMs(lambda: Partial<Context> | undefined, backendTimeoutMs: number): number {
  const leftMs = lambda?.getRemainingTimeInMillis?.() ?? GATEWAY_TIMEOUT_MS;
  return Date.now() + Math.max(0, Math.min(leftMs, GATEWAY_TIMEOUT_MS) - backendTimeoutMs - RESPONSE_MS);
}

/**
 * The key of a GET or a DELETE: in the path, which API Gateway has decoded already, or as `?key=`.
 *
 * @throws ValidationError when there is no key, more than one, it is invalid, or a query parameter is misspelled
 */
export function readKey({ event }: RequestContext): string {
  rejectMisspelledParameters(event, ['key']);
  return validate(keySchema, event.pathParameters?.key ?? queryParameter(event, 'key'), 'key');
}

/** The decoded query parameters with these names. @throws ValidationError if one is given twice or misspelled, or is not UTF-8 */
export function readQuery({ event }: RequestContext, names: readonly string[]): Record<string, string> {
  rejectMisspelledParameters(event, names);
  const found = names.flatMap((name) => {
    const value = queryParameter(event, name);
    return value === undefined ? [] : [[name, value]];
  });
  return Object.fromEntries(found);
}

function rejectMisspelledParameters(
  { rawQueryString }: APIGatewayProxyEventV2,
  known: readonly string[],
): void {
  if (!rawQueryString) return;
  for (const pair of rawQueryString.split('&')) {
    const name = pair.slice(0, pair.search(/=|$/));
    const meant = misspelledName(name, known);
    if (meant === undefined) continue;
    const message = `is an unknown query parameter, did you mean ${meant}?`;
    throw new ValidationError([{ field: name, message }]);
  }
}

/**
 * Reads the raw query string. API Gateway also delivers decoded parameters, but joins two of the same name with a comma. A name without
 * `=` has an empty value: if it were ignored, a list of keys with `?tag` would not be filtered.
 */
function queryParameter({ rawQueryString }: APIGatewayProxyEventV2, name: string): string | undefined {
  const found = (rawQueryString ?? '')
    .split('&')
    .filter((pair) => pair === name || pair.startsWith(`${name}=`));
  if (found.length > 1) throw new ValidationError([{ field: name, message: 'must be given once' }]);
  try {
    // A plus is a space in a query: form encoders such as Python's write it.
    return found[0] && decodeURIComponent(found[0].slice(name.length + 1).replaceAll('+', ' '));
  } catch (cause) {
    throw new ValidationError([{ field: name, message: 'must be percent-encoded UTF-8' }], { cause });
  }
}
