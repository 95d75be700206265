import type { GenericSchema } from 'valibot';
import {
  BackendUnavailableError,
  InternalError,
  InvalidationIncompleteError,
  LeaseLostError,
  MethodNotAllowedError,
  MissingTenantError,
  NotFoundError,
  PayloadTooLargeError,
  type ServiceError,
  TenantMismatchError,
  TenantRateLimitedError,
  UnsupportedMediaTypeError,
  ValidationError,
} from '../errors.ts';
import { tenantSchema, validate } from '../http/schemas.ts';
import type { Limits } from './components.ts';
import { count, object, type Schema, schemaRef } from './json-schema.ts';

/** The envelope of responses, and every failure that the service responds with. */

/** In examples, the members that differ in every response. */
const SAMPLE_IDS = {
  correlation_id: 'f0b3c2a4-6f0e-4f5e-9d6b-0c6a1f3e8d27',
  request_id: '2d1c7b1e-93c5-4a57-8f0b-5e7d9c4a6b18',
};
export const SAMPLE_TIME = '2026-11-22T10:43:00.925Z';

export const timestamp: Schema = {
  type: 'string',
  format: 'date-time',
  description: 'Time of the response, in UTC.',
};

const trailer = {
  correlation_id: schemaRef('CorrelationId'),
  request_id: schemaRef('RequestId'),
  timestamp,
};

/** The envelope of a success around its data. */
export function successSchema(data: Schema): Schema {
  return object({
    success: { const: true },
    data,
    message: { type: ['string', 'null'] },
    ...trailer,
    metadata: { type: 'object', description: 'Empty.' },
  });
}

export function successExample(data: unknown): unknown {
  return { success: true, data, message: null, ...SAMPLE_IDS, timestamp: SAMPLE_TIME, metadata: {} };
}

/** The envelope of one of these failures. They differ in `error.code`, so the schema's choice is inside of `error`. */
export function failureSchema(failures: readonly Failure[]): Schema {
  const errors = failures.map(errorSchema);
  return object({
    success: { const: false },
    error: errors.length > 1 ? { oneOf: errors } : (errors[0] as Schema),
    ...trailer,
  });
}

function errorSchema({ sample, details = { type: 'object' } }: Failure): Schema {
  const message: Schema = { type: 'string', description: 'For people. Programs use the code.' };
  return object({ code: { const: sample.code }, message, details });
}

export function failureExample({ code, message, details }: ServiceError): unknown {
  return { success: false, error: { code, message, details }, ...SAMPLE_IDS, timestamp: SAMPLE_TIME };
}

/** The name of a failure's class. */
export type FailureName = Exclude<keyof typeof import('../errors.ts'), 'ServiceError'>;

/** A class of failures in the document. */
export interface Failure {
  when: string;
  /** Has the status, the code and the headers. It is the example unless an endpoint has a more fitting one. */
  sample: ServiceError;
  /** The schema of `details`. Default: an empty object. */
  details?: Schema;
}

/** Every failure that the service responds with. If a class is missing here, this does not compile. */
export function failures({ maxValueBytes, tenantClaim }: Limits): Record<FailureName, Failure> {
  return {
    ValidationError: {
      when: 'The body, the key, the TTL, the pattern or a header is invalid. `details.issues` lists each field.',
      sample: rejectionOf(tenantSchema, '*', tenantClaim ?? 'X-Tenant-ID'),
      details: object({
        issues: {
          type: 'array',
          minItems: 1,
          items: object({
            field: {
              type: 'string',
              description: 'The path of the field: `key`, `items.3.ttl`, `body`, or the name of a header.',
            },
            message: { type: 'string', description: 'What the field must be.' },
          }),
        },
      }),
    },
    MissingTenantError: {
      when: tenantClaim
        ? `The token has no claim \`${tenantClaim}\`, which is the tenant.`
        : 'The header `X-Tenant-ID` is missing.',
      sample: new MissingTenantError(tenantClaim),
    },
    TenantMismatchError: {
      when: tenantClaim
        ? "`X-Tenant-ID`, the path or the body contains another tenant than the token's."
        : 'The path or the body contains another tenant than `X-Tenant-ID`.',
      sample: new TenantMismatchError(),
    },
    NotFoundError: {
      when: 'No route has this path. A key that contains `/` or `?`, or that is `.` or `..`, does not fit into a path: send it as `?key=`. A key that is not cached is not a failure.',
      sample: new NotFoundError(),
    },
    MethodNotAllowedError: {
      when: 'The path does not accept this method. `Allow` and `details.allowed` list the methods that it accepts.',
      sample: new MethodNotAllowedError(['GET', 'HEAD']),
      details: object({ allowed: { type: 'array', items: { type: 'string' } } }),
    },
    PayloadTooLargeError: {
      when: 'The body or the response would be larger than the limit.',
      sample: new PayloadTooLargeError('value', maxValueBytes),
      details: object(
        {
          max_bytes: count('The limit in bytes.'),
          fitting: count(
            'Only for a batch: the number of its first keys or items that fit. Send them as a batch of their own.',
          ),
        },
        { optional: ['fitting'] },
      ),
    },
    LeaseLostError: {
      when: 'The lease has ended: it ran out, or its key was set, deleted, invalidated, cleared or evicted meanwhile. Nothing is written. Do not send the value again without the lease: it may be stale.',
      sample: new LeaseLostError(),
    },
    UnsupportedMediaTypeError: {
      when: 'The `Content-Type` is neither `application/json` nor a type that ends in `+json`, its charset is not UTF-8, or the body has a `Content-Encoding`.',
      sample: new UnsupportedMediaTypeError(),
      details: object({
        header: { type: 'string', description: 'The header whose value is not supported.' },
        accepted: { type: 'string', description: 'The value that is supported.' },
      }),
    },
    TenantRateLimitedError: {
      when: 'The tenant has sent more requests than its limit allows. The request has done nothing. Only services with such a limit respond with it.',
      sample: new TenantRateLimitedError(250),
      details: object({
        retry_after_ms: count(
          'Milliseconds after which the request is allowed, unless others of the tenant come first.',
        ),
      }),
    },
    InternalError: {
      when: 'A fault of the service. Its log contains the cause under the correlation id.',
      sample: new InternalError(undefined),
    },
    BackendUnavailableError: {
      when: 'The backend did not answer in time, or cannot serve requests now. Every request is safe to send again.',
      sample: new BackendUnavailableError(),
    },
    InvalidationIncompleteError: {
      when: 'The invalidation ran out of time. The same request removes the remaining entries.',
      sample: new InvalidationIncompleteError(10_000),
      details: object({ count: count('Entries that were removed.') }),
    },
  };
}

/**
 * The error with which the service rejects an input.
 *
 * @throws Error when the input is valid
 */
export function rejectionOf(schema: GenericSchema, input: unknown, field: string): ValidationError {
  try {
    validate(schema, input, field);
  } catch (error) {
    if (error instanceof ValidationError) return error;
    throw error;
  }
  throw new Error(`${JSON.stringify(input)} is valid`);
}
