/**
 * One class per failure: those that the service returns, with the codes of its contract, and those of the connection.
 *
 * A process can load this module twice, if one package imports the client and another requires it. `instanceof` works across both
 * copies because it compares a mark in the global symbol registry instead of the class.
 */

/** `message` is completed with the first issue in `details`, or with the message of the innermost `cause`. */
export interface Failure {
  message: string;
  code?: string | undefined;
  status?: number | undefined;
  details?: Readonly<Record<string, unknown>> | undefined;
  correlationId?: string | undefined;
  requestId?: string | undefined;
  retryAfterMs?: number | undefined;
  cause?: unknown;
}

/** Base of all errors of the client. An error of no subclass has a code that this version of the client does not know. */
export class CacheError extends Error {
  override readonly name: string = 'CacheError';
  /** Stable identifier, for code that cannot use `instanceof`. */
  readonly code: string;
  /** HTTP status; undefined if there was no response. */
  readonly status: number | undefined;
  /** The error's `details` in the response; empty if there are none. */
  readonly details: Readonly<Record<string, unknown>>;
  /** The id in the service's log. Without a response: the id that was sent. */
  readonly correlationId: string | undefined;
  readonly requestId: string | undefined;
  /** The response's Retry-After; undefined if there was none. */
  readonly retryAfterMs: number | undefined;

  constructor(failure: Failure) {
    super(messageOf(failure), 'cause' in failure ? { cause: failure.cause } : undefined);
    this.code = failure.code ?? 'UNKNOWN';
    this.status = failure.status;
    this.details = failure.details ?? {};
    this.correlationId = failure.correlationId;
    this.requestId = failure.requestId;
    this.retryAfterMs = failure.retryAfterMs;
  }
}

/** An invalid field of a request. */
export interface Issue {
  /** `key`, `ttl`, `keys.3`, a header's name … */
  field: string;
  message: string;
}

/** 400: an invalid key, value, TTL, pattern or header. */
export class ValidationError extends CacheError {
  override readonly name = 'ValidationError';
  override readonly code = 'VALIDATION_ERROR' as const;

  get issues(): Issue[] {
    return Array.isArray(this.details.issues) ? this.details.issues : [];
  }
}

/** 401: the request contains no tenant. */
export class MissingTenantError extends CacheError {
  override readonly name = 'MissingTenantError';
  override readonly code = 'MISSING_TENANT_ID' as const;
}

/** 403: the tenant is not the one in the caller's token. */
export class TenantMismatchError extends CacheError {
  override readonly name = 'TenantMismatchError';
  override readonly code = 'TENANT_MISMATCH' as const;
}

/** 404: no such route. The client's `url` leads elsewhere, or to an older version of the service. A miss is not an error. */
export class NotFoundError extends CacheError {
  override readonly name = 'NotFoundError';
  override readonly code = 'NOT_FOUND' as const;
}

/** 405: the path does not accept the method. The client's `url` leads to another version of the service. */
export class MethodNotAllowedError extends CacheError {
  override readonly name = 'MethodNotAllowedError';
  override readonly code = 'METHOD_NOT_ALLOWED' as const;
}

/** 409: the lease of a set has ended. Nothing was set, since the value may have been produced before an invalidation. */
export class LeaseLostError extends CacheError {
  override readonly name = 'LeaseLostError';
  override readonly code = 'LEASE_LOST' as const;
}

/** 413: a value or a batch is larger than the service accepts. */
export class PayloadTooLargeError extends CacheError {
  override readonly name = 'PayloadTooLargeError';
  override readonly code = 'PAYLOAD_TOO_LARGE' as const;

  /** The service's limit. */
  get maxBytes(): number | undefined {
    return numberOf(this.details.max_bytes);
  }

  /** Number of the batch's first items that fit together. */
  get fitting(): number | undefined {
    return numberOf(this.details.fitting);
  }
}

/** 415: the body's Content-Type is not JSON. */
export class UnsupportedMediaTypeError extends CacheError {
  override readonly name = 'UnsupportedMediaTypeError';
  override readonly code = 'UNSUPPORTED_MEDIA_TYPE' as const;
}

/** 429: the tenant has sent more requests than its limit allows. Nothing was done. The client retries after `retryAfterMs`. */
export class TenantRateLimitedError extends CacheError {
  override readonly name = 'TenantRateLimitedError';
  override readonly code = 'TENANT_RATE_LIMITED' as const;
}

/** 500: a fault of the service. Its log has the cause. */
export class InternalError extends CacheError {
  override readonly name = 'InternalError';
  override readonly code = 'INTERNAL_SERVER_ERROR' as const;
}

/** 503: the service's backend did not answer in time. A set may have succeeded nevertheless. */
export class BackendUnavailableError extends CacheError {
  override readonly name = 'BackendUnavailableError';
  override readonly code = 'BACKEND_UNAVAILABLE' as const;
}

/** 503: time ran out during an invalidation. Repeat the call to remove the rest. */
export class InvalidationIncompleteError extends CacheError {
  override readonly name = 'InvalidationIncompleteError';
  override readonly code = 'INVALIDATION_INCOMPLETE' as const;

  /** Number of live entries that this call has removed. */
  get count(): number {
    return numberOf(this.details.count) ?? 0;
  }
}

/**
 * A response that does not come from the service but from a proxy in front of it, such as API Gateway's own 403, 429 and 503. The
 * code is `HTTP_` and the status.
 */
export class GatewayError extends CacheError {
  override readonly name = 'GatewayError';
}

/** No response: the network, the host name, the port or the certificate failed. `cause` is what `fetch` threw. */
export class ConnectionError extends CacheError {
  override readonly name = 'ConnectionError';
  override readonly code = 'CONNECTION_FAILED' as const;
  /** False if no connection was made: the service cannot have received the request. */
  readonly maybeSent: boolean;

  constructor(failure: Failure & { maybeSent: boolean }) {
    super(failure);
    this.maybeSent = failure.maybeSent;
  }
}

/**
 * The call took longer than `timeoutMs`, or `produce` took longer than `produceTimeoutMs`. The service may have processed the
 * request, or may still process it.
 */
export class DeadlineError extends CacheError {
  override readonly name = 'DeadlineError';
  override readonly code = 'DEADLINE_EXCEEDED' as const;
}

/** The classes of the failures that the service returns, by the codes of its contract. */
export const classesByCode = new Map<string, new (failure: Failure) => CacheError>([
  ['VALIDATION_ERROR', ValidationError],
  ['MISSING_TENANT_ID', MissingTenantError],
  ['TENANT_MISMATCH', TenantMismatchError],
  ['NOT_FOUND', NotFoundError],
  ['METHOD_NOT_ALLOWED', MethodNotAllowedError],
  ['LEASE_LOST', LeaseLostError],
  ['PAYLOAD_TOO_LARGE', PayloadTooLargeError],
  ['UNSUPPORTED_MEDIA_TYPE', UnsupportedMediaTypeError],
  ['TENANT_RATE_LIMITED', TenantRateLimitedError],
  ['INTERNAL_SERVER_ERROR', InternalError],
  ['BACKEND_UNAVAILABLE', BackendUnavailableError],
  ['INVALIDATION_INCOMPLETE', InvalidationIncompleteError],
]);

const classes = {
  CacheError,
  ValidationError,
  MissingTenantError,
  TenantMismatchError,
  NotFoundError,
  MethodNotAllowedError,
  LeaseLostError,
  PayloadTooLargeError,
  UnsupportedMediaTypeError,
  TenantRateLimitedError,
  InternalError,
  BackendUnavailableError,
  InvalidationIncompleteError,
  GatewayError,
  ConnectionError,
  DeadlineError,
};

for (const [name, Class] of Object.entries<{ readonly prototype: CacheError }>(classes)) {
  const mark = Symbol.for(`cache-service.${name}`);
  Object.defineProperty(Class.prototype, mark, { value: true });
  Object.defineProperty(Class, Symbol.hasInstance, {
    value(this: unknown, error: { [mark]?: true } | null | undefined): boolean {
      // A caller's subclass inherits this function, but has no mark.
      if (this !== Class) return Function.prototype[Symbol.hasInstance].call(this as () => void, error);
      return error?.[mark] === true;
    },
  });
}

type Inspect = (value: unknown, options: object) => string;

// By default Node and Bun print two levels, which leaves out the issues.
Object.defineProperty(CacheError.prototype, Symbol.for('nodejs.util.inspect.custom'), {
  value(_depth: number, options: { depth: number | null }, inspect: Inspect): string {
    const depth = Math.max(options.depth ?? Number.POSITIVE_INFINITY, 3);
    return inspect(this, { ...options, depth, customInspect: false });
  },
});

/** Appends the reason unless the message contains it: log lines often have only the message. */
function messageOf({ message, details, cause }: Failure): string {
  const issue = Array.isArray(details?.issues)
    ? (details.issues[0] as Partial<Issue> | undefined)
    : undefined;
  const reason = issue?.message ?? rootOf(cause);
  if (reason === undefined || message.includes(reason)) return message;
  return `${message}: ${issue?.field ? `${issue.field} ` : ''}${reason}`;
}

/** Message or code of the innermost cause that has one. */
function rootOf(cause: unknown): string | undefined {
  let root: string | undefined;
  let error = cause as { message?: string; code?: string; cause?: unknown } | undefined;
  // The limit ends a cycle of causes.
  for (let depth = 0; depth < 10 && typeof error === 'object' && error !== null; depth++) {
    root = error.message || error.code || root;
    error = error.cause as typeof error;
  }
  return root;
}

/** A caller's own `parse` may return numbers as another type. */
function numberOf(value: unknown): number | undefined {
  return value === undefined || value === null ? undefined : Number(value);
}
