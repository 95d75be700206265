import { PayloadTooLargeError, TenantMismatchError, ValidationError } from '../errors.ts';
import { config } from '../settings.ts';
import type { CacheEvent } from './event.ts';
import { isJson } from './json-grammar.ts';
import { invalidateSchema, keySchema, setSchema, validate } from './schemas.ts';
import type { JsonPiece } from './verbatim.ts';

/**
 * The key that a GET or a DELETE is about: from the path, where API Gateway has decoded it already, or from `?key=`.
 *
 * @throws ValidationError when there is none, more than one, or it is not of a key's form
 */
export function readKey(event: CacheEvent): string {
  return validate(keySchema, event.pathParameters?.key ?? queryParameter(event, 'key'), 'key');
}

/**
 * Reads a query parameter from the raw query string: in the decoded form that API Gateway also gives, two parameters of one
 * name cannot be told from one with a comma.
 */
function queryParameter(event: CacheEvent, name: string): string | undefined {
  const found = (event.rawQueryString ?? '').split('&').filter((pair) => pair.startsWith(`${name}=`));
  if (found.length > 1) throw new ValidationError([{ field: name, message: 'must be given once' }]);
  try {
    // A plus is a space in a query, which is what form encoders such as Python's write.
    return found[0] && decodeURIComponent(found[0].slice(name.length + 1).replaceAll('+', ' '));
  } catch (cause) {
    throw new ValidationError([{ field: name, message: 'must be percent-encoded UTF-8' }], { cause });
  }
}

const setBody = setSchema(config);

/**
 * What a set asks for: the value as verbatim JSON text, the TTL in seconds.
 *
 * @throws ValidationError, PayloadTooLargeError
 */
export function readSet(event: CacheEvent): { key: string; value: string; ttl: number } {
  const value = readValue(event.lifted, config.maxValueBytes);
  const { key, ttl } = validate(setBody, event.body, 'body');
  return { key, value, ttl: ttl ?? config.defaultTtlSeconds };
}

/**
 * The pattern to invalidate by; `*` where the caller gave none.
 *
 * @throws ValidationError, TenantMismatchError
 */
export function readInvalidation(event: CacheEvent): string {
  const { pattern, tenant_id } = validate(invalidateSchema, event.body, 'body');
  if (tenant_id != null) requireOwnTenant(event, tenant_id);
  return pattern ?? '*';
}

/** @throws TenantMismatchError when a request names another tenant than the one it is made for */
export function requireOwnTenant(event: CacheEvent, named: string | undefined): void {
  if (named !== event.tenant) throw new TenantMismatchError();
}

/** With more arrays and objects than this, a value is checked without being built: it could take a hundred times its size. */
const MANY_CONTAINERS = 10_000;

/** The value among what stood under its name: like `JSON.parse`, the last one. All of them must be valid. */
function readValue(pieces: JsonPiece[], maxValueBytes: number): string {
  for (const { text, containers } of pieces) {
    if (Buffer.byteLength(text) > maxValueBytes) throw new PayloadTooLargeError('value', maxValueBytes);
    if (!(containers < MANY_CONTAINERS ? parses(text) : isJson(text))) {
      throw new ValidationError([{ field: 'value', message: 'must be valid JSON' }]);
    }
  }
  // Without one, the schema of the rest says that it is missing.
  return pieces.at(-1)?.text ?? '';
}

function parses(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
