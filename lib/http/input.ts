import type { GenericSchema, InferOutput } from 'valibot';
import type { Config } from '../config/config.ts';
import { PayloadTooLargeError, ValidationError } from '../errors.ts';
import { isJson } from '../json/validate.ts';
import type { RequestContext } from '../request-context.ts';
import { compileGlob } from '../store/glob.ts';
import type { Item, KeyFilter } from '../store/store.ts';
import { requireFitting } from './batch-size.ts';
import { decodeCursor } from './cursor.ts';
import { readQuery } from './request.ts';
import {
  batchSetSchema,
  invalidateSchema,
  listKeysSchema,
  maxBatchBytesOf,
  setSchema,
  validate,
} from './schemas.ts';
import { requireOwnTenant } from './tenant.ts';

type Limits = Pick<Config, 'defaultTtlSeconds' | 'maxTtlSeconds' | 'maxValueBytes'>;

/** An item to set, and the length of its value in bytes of UTF-8. */
type ReadItem = Item & { bytes: number };

/**
 * Creates the reader of a set's body: the value as raw JSON text, the TTL in seconds.
 *
 * The reader throws ValidationError and PayloadTooLargeError.
 */
export function readSet(limits: Limits): (request: RequestContext) => ReadItem {
  const schema = setSchema(limits);
  return ({ rawValues, body }) => {
    const sizes = rawValues.map((text) => checkValue(text, 'value', limits));
    return itemOf(validate(schema, body, 'body'), rawValues, sizes, limits);
  };
}

/** Creates the reader of a batch of sets, in order; each item is read as by {@link readSet}. */
export function readBatchSet(limits: Limits): (request: RequestContext) => ReadItem[] {
  const schema = batchSetSchema(limits);
  return ({ rawValues, body }) => {
    const { items } = validate(schema, body, 'body');
    // No item refers to a raw value if a later member of the same name replaced it.
    const fields = new Map(items.map(({ value }, index) => [value, `items.${index}.value`]));
    const sizes = rawValues.map((text, index) => checkValue(text, fields.get(index) ?? 'body', limits));
    const read = items.map((item) => itemOf(item, rawValues, sizes, limits));
    requireFitting(read, maxBatchBytesOf(limits));
    return read;
  };
}

/** The item that the skeleton of a set describes. Its value is the index of the raw text. */
function itemOf(
  { key, value, ttl, grace, lease, tags }: InferOutput<ReturnType<typeof setSchema>>,
  rawValues: readonly string[],
  sizes: readonly number[],
  { defaultTtlSeconds }: Limits,
): ReadItem {
  return {
    key,
    value: rawValues[value] ?? '',
    bytes: sizes[value] ?? 0,
    ttlSeconds: ttl ?? defaultTtlSeconds,
    graceSeconds: grace ?? 0,
    lease: lease ?? undefined,
    tags: distinct(tags),
  };
}

/**
 * Creates the reader of a body that its schema describes completely.
 *
 * The reader throws ValidationError.
 */
export function readBody<const S extends GenericSchema>(schema: S) {
  return ({ body }: RequestContext): InferOutput<S> => validate(schema, body, 'body');
}

/** Tags without repetitions. */
export function distinct(tags: readonly string[] | null | undefined): string[] {
  return [...new Set(tags)];
}

/** The tags of an invalidation, or its pattern; `*` if the body has neither. @throws ValidationError, TenantMismatchError */
export function readInvalidation(request: RequestContext): { tags: string[] } | { pattern: string } {
  const { pattern, tags, tenant_id } = validate(invalidateSchema, request.body, 'body');
  if (tenant_id != null) requireOwnTenant(request, tenant_id);
  return tags ? { tags: distinct(tags) } : { pattern: pattern ?? '*' };
}

/** The page of keys that a request asks for. @throws ValidationError, TenantMismatchError */
export function readKeyFilter(request: RequestContext): KeyFilter {
  readTenantInPath(request);
  const query = readQuery(request, ['pattern', 'tag', 'limit', 'cursor']);
  const { pattern = '*', tag, limit, cursor } = validate(listKeysSchema, query, 'query');
  const after =
    cursor === undefined ? undefined : decodeCursor(cursor, { tenant: request.tenant, pattern, tag });
  return { pattern: compileGlob(pattern), tag, limit, after };
}

/** Checks the tenant in the path. @throws TenantMismatchError */
export function readTenantInPath(request: RequestContext): void {
  requireOwnTenant(request, request.event.pathParameters?.tenant_id);
}

/** For endpoints that take no input. */
export function noInput(): void {}

/**
 * Up to this many characters `JSON.parse` checks a value faster than {@link isJson}. But it builds the value, which can take a
 * hundred times the memory of its text.
 */
const SHORT = 4096;

/** @returns the length in bytes of UTF-8 @throws PayloadTooLargeError, or ValidationError for `field` */
function checkValue(text: string, field: string, { maxValueBytes }: Limits): number {
  const bytes = Buffer.byteLength(text);
  if (bytes > maxValueBytes) throw new PayloadTooLargeError('value', maxValueBytes);
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
