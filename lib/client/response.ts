import { CacheError, classesByCode, type Failure, GatewayError, NotFoundError } from './errors.ts';

/** A complete response. */
export interface ServiceResponse {
  /** Method and URL of the request. The query is left out because it contains the key. */
  request: string;
  status: number;
  text: string;
  header: (name: string) => string | null;
  parse: (text: string) => unknown;
}

type Members = Record<string, unknown>;

/** The `data` of a success. @throws CacheError for any other response */
export function readData(response: ServiceResponse): Members {
  const { body, cause } = bodyOf(response);
  if (response.status >= 200 && response.status < 300 && body?.success === true && isMembers(body.data)) {
    return body.data;
  }
  throw errorOf(response, body, cause);
}

/** Accepts a 204. @throws CacheError for any other response */
export function readNothing(response: ServiceResponse): void {
  if (response.status === 204) return;
  const { body, cause } = bodyOf(response);
  throw errorOf(response, body, cause);
}

/** The health report, also of an unhealthy service (503). @throws CacheError for any other response */
export function readHealth(response: ServiceResponse): Members {
  const { body, cause } = bodyOf(response);
  if ((response.status === 200 || response.status === 503) && typeof body?.status === 'string') return body;
  throw errorOf(response, body, cause);
}

/** The error that a response describes: by its envelope, or by its status if it has none. */
function errorOf(
  { request, status, header }: ServiceResponse,
  body: Members | undefined,
  cause: unknown,
): CacheError {
  const known: Omit<Failure, 'message'> = {
    status,
    correlationId: textOf(body?.correlation_id) ?? header('x-correlation-id') ?? undefined,
    requestId: textOf(body?.request_id) ?? header('x-request-id') ?? undefined,
    retryAfterMs: retryAfterMs(header('retry-after')),
  };
  const error = body?.success === false && isMembers(body.error) ? body.error : undefined;
  const code = textOf(error?.code);
  if (error === undefined || code === undefined) {
    const text = textOf(body?.message);
    const message = `${request} returned ${status} without the service's envelope${text ? `: ${text}` : ''}`;
    return new GatewayError({ ...known, code: `HTTP_${status}`, message, cause });
  }
  const details = isMembers(error.details) ? error.details : {};
  // Retry-After is in whole seconds, rounded up.
  if (typeof details.retry_after_ms === 'number') known.retryAfterMs = details.retry_after_ms;
  const Class = classesByCode.get(code) ?? CacheError;
  const text = textOf(error.message) ?? code;
  const message = Class === NotFoundError ? `${text}: ${request}` : text;
  return new Class({ ...known, code, message, details });
}

/** The members of a JSON object. `cause`: the parser's error if the body is not JSON. */
function bodyOf({ text, parse }: ServiceResponse): { body?: Members; cause?: unknown } {
  try {
    const body = parse(text);
    return isMembers(body) ? { body } : {};
  } catch (cause) {
    return { cause };
  }
}

function isMembers(value: unknown): value is Members {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

/** Reads Retry-After, which is seconds or a date. */
function retryAfterMs(header: string | null): number | undefined {
  if (header === null) return undefined;
  const ms = /^\d+$/.test(header) ? Number(header) * 1000 : Date.parse(header) - Date.now();
  return Number.isNaN(ms) ? undefined : Math.max(0, ms);
}
