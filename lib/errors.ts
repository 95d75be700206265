/**
 * Every failure that a caller can get: one class each, with the stable code and the status of the wire contract. Any other error is a
 * bug: the caller gets a 500 without details, and the log gets the error.
 */

/** An invalid field of a request. */
export interface Issue {
  /** `key`, `ttl`, `body`, or the name of a header. */
  field: string;
  message: string;
}

interface ServiceErrorOptions {
  details?: Record<string, unknown>;
  headers?: Record<string, string>;
  /** Logged, and never sent to the caller. */
  cause?: unknown;
}

/** Base class. `message` and `details` are sent to the caller. */
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

/** 400: the body, key, ttl, pattern or a header is invalid. The message contains the first issue, `details.issues` all of them. */
export class ValidationError extends ServiceError {
  readonly status = 400;
  readonly code = 'VALIDATION_ERROR';

  constructor(issues: readonly [Issue, ...Issue[]], options: { cause?: unknown } = {}) {
    const [{ field, message }] = issues;
    super(`${field} ${message}`, { ...options, details: { issues } });
  }
}

/** 401: the request has no tenant header, or its token no tenant claim. */
export class MissingTenantError extends ServiceError {
  readonly status = 401;
  readonly code = 'MISSING_TENANT_ID';

  /** @param claim the name of the tenant claim, if the tenant comes from the token */
  constructor(claim?: string) {
    super(claim === undefined ? 'The X-Tenant-ID header is required' : `The token has no claim ${claim}`);
  }
}

/** 403: the request names a tenant that is not the caller's own. */
export class TenantMismatchError extends ServiceError {
  readonly status = 403;
  readonly code = 'TENANT_MISMATCH';

  constructor() {
    super("The tenant in the request is not the caller's own");
  }
}

/** 404: no such route. A key that is not cached is a miss, and not an error. */
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

/** 409: the lease of a set has ended, so nothing was written. */
export class LeaseLostError extends ServiceError {
  readonly status = 409;
  readonly code = 'LEASE_LOST';

  constructor() {
    super('The lease has ended: it ran out, or its key was set, deleted, invalidated or evicted meanwhile');
  }
}

/** 413: the body or a value is larger than the limit. */
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

  /** @param accepted the supported value of the header */
  constructor(header = 'Content-Type', accepted = 'application/json') {
    super(`The ${header} must be ${accepted}`, { details: { header, accepted } });
  }
}

/** 429: the tenant has sent more requests than its limit allows. The request has done nothing. */
export class TenantRateLimitedError extends ServiceError {
  readonly status = 429;
  readonly code = 'TENANT_RATE_LIMITED';

  /** @param retryAfterMs after which the request is allowed, unless others of the tenant come first */
  constructor(retryAfterMs: number) {
    const milliseconds = Math.max(1, Math.ceil(retryAfterMs));
    super('The tenant has sent more requests per second than its limit allows', {
      details: { retry_after_ms: milliseconds },
      headers: { 'retry-after': String(Math.ceil(milliseconds / 1000)) },
    });
  }
}

/** 500: a bug. The cause is logged, and not sent to the caller. */
export class InternalError extends ServiceError {
  readonly status = 500;
  readonly code = 'INTERNAL_SERVER_ERROR';

  constructor(cause: unknown) {
    super('Internal server error', { cause });
  }
}

/** 503: the backend did not reply in time, or cannot serve now. The request may be retried. */
export class BackendUnavailableError extends ServiceError {
  readonly status = 503;
  readonly code = 'BACKEND_UNAVAILABLE';

  constructor(cause?: unknown) {
    super('The cache backend did not answer in time', { headers: { 'retry-after': '1' }, cause });
  }
}

/** 503: an invalidation ran out of time. The removed entries stay removed, and the same request removes more. */
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
