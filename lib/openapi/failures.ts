import {
  BackendUnavailableError,
  InternalError,
  InvalidationIncompleteError,
  MethodNotAllowedError,
  MissingTenantError,
  NotFoundError,
  PayloadTooLargeError,
  type ServiceError,
  TenantMismatchError,
  UnsupportedMediaTypeError,
} from '../errors.ts';
import { tenantSchema } from '../http/schemas.ts';
import { rejectionOf } from './issues.ts';
import { count, object, type Schema } from './json-schema.ts';
import type { Limits } from './limits.ts';

/** The class of a failure. */
export type FailureName = Exclude<keyof typeof import('../errors.ts'), 'ServiceError'>;

/** What the document says of a class of failures. */
export interface Failure {
  when: string;
  /** Says its status, its code and its headers; and is the example where nothing more fitting is given. */
  sample: ServiceError;
  /** Of `details`, which hold nothing unless said. */
  details?: Schema;
}

/** Every failure that the service answers with. A class that is not told of here does not type-check. */
export function failures({ maxValueBytes, tenantClaim }: Limits): Record<FailureName, Failure> {
  return {
    ValidationError: {
      when: 'Body, key, TTL, pattern or header is not of its form; `details.issues` names each field.',
      sample: rejectionOf(tenantSchema, '*', tenantClaim ?? 'X-Tenant-ID'),
      details: object({
        issues: {
          type: 'array',
          minItems: 1,
          items: object({
            field: {
              type: 'string',
              description: 'Where it stands: `key`, `items.3.ttl`, `body`, or the name of a header.',
            },
            message: { type: 'string', description: 'What it has to be.' },
          }),
        },
      }),
    },
    MissingTenantError: {
      when: tenantClaim
        ? `The token has no claim \`${tenantClaim}\`, which names the tenant.`
        : 'The request names no tenant.',
      sample: new MissingTenantError(tenantClaim),
    },
    TenantMismatchError: {
      when: tenantClaim
        ? "`X-Tenant-ID`, the path or the body names another tenant than the token's."
        : 'The path or the body names another tenant than `X-Tenant-ID`.',
      sample: new TenantMismatchError(),
    },
    NotFoundError: {
      when: 'No route has this path. A key that contains `/` or `?`, or that is `.` or `..`, does not fit into a path: send it as `?key=`. A key that is not cached is not a failure.',
      sample: new NotFoundError(),
    },
    MethodNotAllowedError: {
      when: 'The path does not accept this method; `Allow` and `details.allowed` list those that it accepts.',
      sample: new MethodNotAllowedError(['GET', 'HEAD']),
      details: object({ allowed: { type: 'array', items: { type: 'string' } } }),
    },
    PayloadTooLargeError: {
      when: 'The body has more bytes than the service takes, or the answer would have more than it carries.',
      sample: new PayloadTooLargeError('value', maxValueBytes),
      details: object(
        {
          max_bytes: count('What is allowed, in bytes.'),
          fitting: count('Of a batch: how many of its first keys or items fit, to go on in smaller batches.'),
        },
        { optional: ['fitting'] },
      ),
    },
    UnsupportedMediaTypeError: {
      when: 'The `Content-Type` is not `application/json`, nor one that ends in `+json`; its charset is not UTF-8; or the body has a `Content-Encoding`.',
      sample: new UnsupportedMediaTypeError(),
      details: object({
        header: { type: 'string', description: 'The header whose value is not supported.' },
        accepted: { type: 'string', description: 'What it has to be.' },
      }),
    },
    InternalError: {
      when: 'A fault of the service. Its log has the reason under the correlation id.',
      sample: new InternalError(undefined),
    },
    BackendUnavailableError: {
      when: 'The backend did not answer in time, or cannot serve now. Every request is safe to send again.',
      sample: new BackendUnavailableError(),
    },
    InvalidationIncompleteError: {
      when: 'Time ran out. What went is gone; the same request again removes more.',
      sample: new InvalidationIncompleteError(10_000),
      details: object({ count: count('How many entries went so far.') }),
    },
  };
}
