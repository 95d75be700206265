/**
 * Every failure that a caller can meet: one class each, with the stable code and the status of the wire contract.
 *
 * Whatever is not a {@link ServiceError} is a fault of ours: the caller gets a bare 500 and the log gets the rest.
 */

/** One field of a request that is not of its form. */
export interface Issue {
  /** Where it stands: `key`, `ttl`, `body`, or a header's name. */
  field: string;
  message: string;
}

interface ServiceErrorOptions {
  details?: Record<string, unknown>;
  headers?: Record<string, string>;
  /** What lies behind it. Goes to the log, never to the caller. */
  cause?: unknown;
}

/** Base of all failures that are answered with a code of the contract. `message` and `details` reach the caller. */
export abstract class ServiceError extends Error {
  abstract readonly status: number;
  abstract readonly code: string;
  readonly details: Record<string, unknown>;
  readonly headers: Record<string, string>;

  constructor(message: string, { details = {}, headers = {}, cause }: ServiceErrorOptions = {}) {
    super(message, { cause });
    this.name = new.target.name;
    this.details = details;
    this.headers = headers;
  }
}

/** 400: body, key, ttl, pattern or header is not of its form. The message names the first issue, `details.issues` all of them. */
export class ValidationError extends ServiceError {
  readonly status = 400;
  readonly code = 'VALIDATION_ERROR';

  constructor(issues: readonly [Issue, ...Issue[]], options: { cause?: unknown } = {}) {
    const [{ field, message }] = issues;
    super(`${field} ${message}`, { ...options, details: { issues } });
  }
}

/** 401: the request names no tenant, or its token has no claim that does. */
export class MissingTenantError extends ServiceError {
  readonly status = 401;
  readonly code = 'MISSING_TENANT_ID';

  /** @param claim of the token, where it is that which names the tenant and not the header */
  constructor(claim?: string) {
    super(claim === undefined ? 'The X-Tenant-ID header is required' : `The token has no claim ${claim}`);
  }
}

/** 403: the request names another tenant than the caller's own. */
export class TenantMismatchError extends ServiceError {
  readonly status = 403;
  readonly code = 'TENANT_MISMATCH';

  constructor() {
    super("The request names another tenant than the caller's own");
  }
}

/** 404: no such route. A key that is not cached is no error but a miss. */
export class NotFoundError extends ServiceError {
  readonly status = 404;
  readonly code = 'NOT_FOUND';

  constructor() {
    super('No such route');
  }
}

/** 405: the path does not accept this method. */
export class MethodNotAllowedError extends ServiceError {
  readonly status = 405;
  readonly code = 'METHOD_NOT_ALLOWED';

  /** @param allowed the methods that the path accepts */
  constructor(allowed: readonly string[]) {
    const list = allowed.join(', ');
    super(`This path allows only ${list}`, { details: { allowed }, headers: { allow: list } });
  }
}

/** 413: more bytes than the service takes. */
export class PayloadTooLargeError extends ServiceError {
  readonly status = 413;
  readonly code = 'PAYLOAD_TOO_LARGE';

  constructor(what: string, maxBytes: number, details: Record<string, unknown> = {}) {
    super(`The ${what} is larger than ${maxBytes} bytes`, { details: { max_bytes: maxBytes, ...details } });
  }
}

/** 415: the content type is not JSON in UTF-8, or the body has a content coding. */
export class UnsupportedMediaTypeError extends ServiceError {
  readonly status = 415;
  readonly code = 'UNSUPPORTED_MEDIA_TYPE';

  /**
   * @param header whose value is not supported
   * @param accepted the value that is
   */
  constructor(header = 'Content-Type', accepted = 'application/json') {
    super(`The ${header} must be ${accepted}`, { details: { header, accepted } });
  }
}

/** 500: what a caller sees of a fault of ours. The cause goes to the log. */
export class InternalError extends ServiceError {
  readonly status = 500;
  readonly code = 'INTERNAL_SERVER_ERROR';

  constructor(cause: unknown) {
    super('Internal server error', { cause });
  }
}

/** 503: the backend did not answer in time, or cannot serve now. Safe to try again. */
export class BackendUnavailableError extends ServiceError {
  readonly status = 503;
  readonly code = 'BACKEND_UNAVAILABLE';

  constructor(cause?: unknown) {
    super('The cache backend did not answer in time', { headers: { 'retry-after': '1' }, cause });
  }
}

/** 503: time ran out during an invalidation. What went is gone; the same request again begins anew and has so much less to remove. */
export class InvalidationIncompleteError extends ServiceError {
  readonly status = 503;
  readonly code = 'INVALIDATION_INCOMPLETE';

  constructor(count: number) {
    super('Time ran out before the invalidation was complete; send the same request again to remove more', {
      details: { count },
      headers: { 'retry-after': '1' },
    });
  }
}
