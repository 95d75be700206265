/**
 * Every failure that a call can end with, one class each: those that the service answers, with the codes of its contract, and
 * those that happen on the way there.
 *
 * A process can load this module twice: one package imports the client, another one requires it. `instanceof` holds for the
 * errors of both copies, since it compares a mark of the class that all copies share instead of the class.
 */

/** What is known of a failure. `message` is completed by the first issue in `details`, or else by the root of `cause`. */
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

/** Base of all of them. One that is of no subclass has a code that this version of the client does not know. */
export class CacheError extends Error {
  override readonly name: string = 'CacheError';
  /** Stable: what to tell failures apart by, where `instanceof` will not do. */
  readonly code: string;
  /** The HTTP status; undefined where no answer came. */
  readonly status: number | undefined;
  /** What the service tells beside the message; empty where it tells nothing. */
  readonly details: Readonly<Record<string, unknown>>;
  /** As the service has it in its log; what was sent, where no answer came. */
  readonly correlationId: string | undefined;
  readonly requestId: string | undefined;
  /** How long the service, or what stands in front of it, asks to wait before another try; undefined where it does not. */
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

/** One field of a request that is not of its form. */
export interface Issue {
  /** `key`, `ttl`, `keys.3`, a header's name … */
  field: string;
  message: string;
}

/** 400: key, value, TTL, pattern or header is not of its form. */
export class ValidationError extends CacheError {
  override readonly name = 'ValidationError';
  override readonly code = 'VALIDATION_ERROR' as const;

  get issues(): Issue[] {
    return Array.isArray(this.details.issues) ? this.details.issues : [];
  }
}

/** 401: the request names no tenant. */
export class MissingTenantError extends CacheError {
  override readonly name = 'MissingTenantError';
  override readonly code = 'MISSING_TENANT_ID' as const;
}

/** 403: the tenant is not the one that the caller's token is for. */
export class TenantMismatchError extends CacheError {
  override readonly name = 'TenantMismatchError';
  override readonly code = 'TENANT_MISMATCH' as const;
}

/** 404: the service knows no such route: the client's `url` leads elsewhere, or to an older version. A miss is no error. */
export class NotFoundError extends CacheError {
  override readonly name = 'NotFoundError';
  override readonly code = 'NOT_FOUND' as const;
}

/** 405: the path does not accept the method: the client's `url` leads to another version of the service. */
export class MethodNotAllowedError extends CacheError {
  override readonly name = 'MethodNotAllowedError';
  override readonly code = 'METHOD_NOT_ALLOWED' as const;
}

/** 413: a value, or a batch, of more bytes than the service takes. */
export class PayloadTooLargeError extends CacheError {
  override readonly name = 'PayloadTooLargeError';
  override readonly code = 'PAYLOAD_TOO_LARGE' as const;

  /** How many bytes it takes. */
  get maxBytes(): number | undefined {
    return numberOf(this.details.max_bytes);
  }

  /** Of a batch: how many of the first items fit. */
  get fitting(): number | undefined {
    return numberOf(this.details.fitting);
  }
}

/** 415: the body did not arrive as JSON. */
export class UnsupportedMediaTypeError extends CacheError {
  override readonly name = 'UnsupportedMediaTypeError';
  override readonly code = 'UNSUPPORTED_MEDIA_TYPE' as const;
}

/** 500: a fault of the service, of which its log tells more. */
export class InternalError extends CacheError {
  override readonly name = 'InternalError';
  override readonly code = 'INTERNAL_SERVER_ERROR' as const;
}

/** 503: the service's backend did not answer in time. A set may have been made all the same. */
export class BackendUnavailableError extends CacheError {
  override readonly name = 'BackendUnavailableError';
  override readonly code = 'BACKEND_UNAVAILABLE' as const;
}

/** 503: time ran out during an invalidation. What went is gone; the same call again removes more. */
export class InvalidationIncompleteError extends CacheError {
  override readonly name = 'InvalidationIncompleteError';
  override readonly code = 'INVALIDATION_INCOMPLETE' as const;

  /** The live entries that this call has removed. */
  get count(): number {
    return numberOf(this.details.count) ?? 0;
  }
}

/**
 * An answer that is not the service's but of something in front of it, such as API Gateway's own 403, 429 and 503. The code is
 * `HTTP_` and the status.
 */
export class GatewayError extends CacheError {
  override readonly name = 'GatewayError';
}

/** No answer came: the network, the name, the port or the certificate. `cause` is what `fetch` threw. */
export class ConnectionError extends CacheError {
  override readonly name = 'ConnectionError';
  override readonly code = 'CONNECTION_FAILED' as const;
  /** False where no connection was made, so that the service cannot have seen the request. */
  readonly maybeSent: boolean;

  constructor(failure: Failure & { maybeSent: boolean }) {
    super(failure);
    this.maybeSent = failure.maybeSent;
  }
}

/**
 * The call took longer than its `timeoutMs`: the service may have done what was asked, or may yet do so. Or `produce` took longer
 * than its `produceTimeoutMs`.
 */
export class DeadlineError extends CacheError {
  override readonly name = 'DeadlineError';
  override readonly code = 'DEADLINE_EXCEEDED' as const;
}

const classes = {
  CacheError,
  ValidationError,
  MissingTenantError,
  TenantMismatchError,
  NotFoundError,
  MethodNotAllowedError,
  PayloadTooLargeError,
  UnsupportedMediaTypeError,
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

// Node and Bun print two levels, which ends above the issues.
Object.defineProperty(CacheError.prototype, Symbol.for('nodejs.util.inspect.custom'), {
  value(_depth: number, options: { depth: number | null }, inspect: Inspect): string {
    const depth = Math.max(options.depth ?? Number.POSITIVE_INFINITY, 3);
    return inspect(this, { ...options, depth, customInspect: false });
  },
});

/** The message and the reason, unless the message contains it: a log line often has nothing but the message. */
function messageOf({ message, details, cause }: Failure): string {
  const issue = Array.isArray(details?.issues)
    ? (details.issues[0] as Partial<Issue> | undefined)
    : undefined;
  const reason = issue?.message ?? rootOf(cause);
  if (reason === undefined || message.includes(reason)) return message;
  return `${message}: ${issue?.field ? `${issue.field} ` : ''}${reason}`;
}

/** The message, or else the code, of the innermost cause that has one. */
function rootOf(cause: unknown): string | undefined {
  let root: string | undefined;
  let error = cause as { message?: string; code?: string; cause?: unknown } | undefined;
  // Ends also where causes form a circle.
  for (let depth = 0; depth < 10 && typeof error === 'object' && error !== null; depth++) {
    root = error.message || error.code || root;
    error = error.cause as typeof error;
  }
  return root;
}

/** A parser of the caller's own may have made something else of a number. */
function numberOf(value: unknown): number | undefined {
  return value === undefined || value === null ? undefined : Number(value);
}
