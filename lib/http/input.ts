import type { InferOutput } from 'valibot';
import { PayloadTooLargeError, ValidationError } from '../errors.ts';
import { isJson } from '../json/validate.ts';
import { config } from '../settings.ts';
import type { Item } from '../store/store.ts';
import { requireFitting } from './batch-size.ts';
import type { CacheEvent } from './event.ts';
import { batchKeysSchema, batchSetSchema, invalidateSchema, setSchema, validate } from './schemas.ts';
import { requireOwnTenant } from './tenant.ts';

const setBody = setSchema(config);
type SetBody = InferOutput<typeof setBody>;
const batchSetBody = batchSetSchema(config);

/** What a set asks for, and how long its value is in bytes of UTF-8. */
type ReadItem = Item & { bytes: number };

/**
 * What a set asks for: the value as verbatim JSON text, the TTL in seconds.
 *
 * @throws ValidationError, PayloadTooLargeError
 */
export function readSet({ lifted, body }: CacheEvent): ReadItem {
  const sizes = lifted.map((text) => checkValue(text, 'value'));
  return itemOf(validate(setBody, body, 'body'), lifted, sizes);
}

/**
 * What a batch of sets asks for, in order, as {@link readSet} reads one of them.
 *
 * @throws ValidationError, PayloadTooLargeError
 */
export function readBatchSet({ lifted, body }: CacheEvent): ReadItem[] {
  const { items } = validate(batchSetBody, body, 'body');
  // Those that no item is left with stood under a name that came again.
  const fields = new Map(items.map(({ value }, index) => [value, `items.${index}.value`]));
  const sizes = lifted.map((text, index) => checkValue(text, fields.get(index) ?? 'body'));
  const read = items.map((item) => itemOf(item, lifted, sizes));
  requireFitting(read);
  return read;
}

/** @param body of one set, in which the value is the number of its piece */
function itemOf({ key, value, ttl }: SetBody, lifted: string[], sizes: number[]): ReadItem {
  return {
    key,
    value: lifted[value] ?? '',
    bytes: sizes[value] ?? 0,
    ttlSeconds: ttl ?? config.defaultTtlSeconds,
  };
}

/**
 * The keys that a batch of gets or deletes names, in order.
 *
 * @throws ValidationError
 */
export function readKeys(event: CacheEvent): string[] {
  return validate(batchKeysSchema, event.body, 'body').keys;
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

/**
 * Up to so many characters a value is parsed to see whether it is JSON, which of few is faster; but building a long one could
 * take a hundred times its size.
 */
const SHORT = 4096;

/** @returns its length in bytes of UTF-8 @throws PayloadTooLargeError, ValidationError naming `field` */
function checkValue(text: string, field: string): number {
  const bytes = Buffer.byteLength(text);
  if (bytes > config.maxValueBytes) {
    throw new PayloadTooLargeError('value', config.maxValueBytes);
  }
  if (!(text.length <= SHORT ? parses(text) : isJson(text))) {
    throw new ValidationError([{ field, message: 'must be valid JSON' }]);
  }
  return bytes;
}

function parses(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
