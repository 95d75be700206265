import * as v from 'valibot';
import { type Issue, ValidationError } from '../errors.ts';
import { MAX_LEASE_SECONDS } from '../store/lease.ts';
import { misspelledName } from './misspelling.ts';

/** The schemas of everything that callers send: one for each kind of request. Validation and types are derived from them. */

/** Limit of a key and of a pattern, in bytes of UTF-8. */
export const MAX_KEY_BYTES = 1024;

/** Limit of keys or items in a batch. */
export const MAX_BATCH = 100;

/**
 * Limit of the values of a batch together, in bytes, unless the limit of one value is higher. A hundred keys of the maximum
 * length fit beside them into Lambda's 6 MB.
 */
export const MAX_BATCH_BYTES = 5 * 1024 ** 2;

/**
 * Limit of a body without its value, in bytes. The longest key or pattern needs a tenth of it. A parser can take a hundred times
 * the memory of its text.
 */
export const MAX_REST_BYTES = 64 * 1024;

/** Limit of the values of a batch together with these settings, in bytes. Every value that can be set fits into a batch. */
export const maxBatchBytesOf = ({ maxValueBytes }: { maxValueBytes: number }) =>
  Math.max(MAX_BATCH_BYTES, maxValueBytes);

/** Limit of the body of a batch without the values, in bytes: a hundred keys of the maximum length with every byte escaped. */
export const MAX_BATCH_REST_BYTES = 640 * 1024;

/** Limit of the tags of an entry, and of an invalidation. */
export const MAX_TAGS = 16;

/** Limit of a tag, in bytes of UTF-8. */
export const MAX_TAG_BYTES = 256;

const wellFormed = v.check((text: string) => text.isWellFormed(), 'must be well-formed Unicode');

/** Not valibot's `maxBytes`, which encodes the text to count its bytes: for a hundred keys that is a tenth of a request's time. */
const shortEnough = v.check(
  (text: string) => Buffer.byteLength(text) <= MAX_KEY_BYTES,
  `must be at most ${MAX_KEY_BYTES} bytes of UTF-8`,
);

const shortTag = v.check(
  (text: string) => Buffer.byteLength(text) <= MAX_TAG_BYTES,
  `must be at most ${MAX_TAG_BYTES} bytes of UTF-8`,
);

const noControlCharacters = v.check(
  (text: string) => !/\p{Cc}/u.test(text),
  'must not contain control characters',
);

export const tenantSchema = v.pipe(
  v.string(),
  v.regex(
    /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/,
    'must be 1 to 128 letters, digits, dots, underscores or hyphens, the first a letter or a digit',
  ),
);

export const keySchema = v.pipe(
  v.string('must be a string'),
  v.minLength(1, 'must not be empty'),
  wellFormed,
  shortEnough,
  noControlCharacters,
);

export const tagSchema = v.pipe(
  v.string('must be a string'),
  v.minLength(1, 'must not be empty'),
  wellFormed,
  shortTag,
  noControlCharacters,
);

const patternSchema = v.pipe(
  v.string('must be a string'),
  v.minLength(1, 'must not be empty'),
  wellFormed,
  shortEnough,
);

function wholeSeconds(min: number, max: number) {
  const problem = `must be a whole number of seconds from ${min} to ${max}`;
  return v.pipe(v.number(problem), v.integer(problem), v.minValue(min, problem), v.maxValue(max, problem));
}

/** Valibot accepts an array as an object without members, which would be an invalidation of everything. */
const jsonObject = v.custom<object>(
  (body) => typeof body === 'object' && body !== null && !Array.isArray(body),
  'must be a JSON object',
);

/** A JSON object with these members. Unknown members are dropped, misspelled ones are rejected. */
function objectOf<const E extends v.ObjectEntries>(entries: E) {
  return v.pipe(jsonObject, noMisspelling(Object.keys(entries)), v.object(entries));
}

/** Reports only the first misspelled member: a body can have thousands of members. */
function noMisspelling(known: readonly string[]) {
  return v.rawCheck<object>(({ dataset, addIssue }) => {
    if (!dataset.typed) return;
    const input = dataset.value as Record<string, unknown>;
    for (const name in input) {
      const meant = misspelledName(name, known);
      if (meant === undefined) continue;
      const step = { type: 'object', origin: 'key', input, key: name, value: input[name] } as const;
      addIssue({ message: `is an unknown member, did you mean ${meant}?`, path: [step] });
      return;
    }
  });
}

/** In the skeleton of a body, the index in `rawValues` that replaces a raw value. */
const rawValueIndex = v.number('is required');

export const leaseTokenSchema = v.pipe(
  v.string('must be a string'),
  v.regex(/^[A-Za-z0-9_-]{11}$/, "must be a lease's token"),
);

/** Duration of a lease if the request does not contain one, in seconds. */
export const DEFAULT_LEASE_SECONDS = 30;

/** Duration of a lease: the time that the caller has to produce the value, in seconds. */
const leaseTimeSchema = wholeSeconds(1, MAX_LEASE_SECONDS);

interface TtlLimits {
  defaultTtlSeconds: number;
  maxTtlSeconds: number;
}

const list = v.custom<unknown[]>((given) => Array.isArray(given), 'must be an array');

/** The tags of an entry. The length is checked first, so that a long list does not produce a thousand issues. */
const tagsSchema = v.pipe(
  list,
  v.maxLength(MAX_TAGS, `must contain at most ${MAX_TAGS}`),
  v.array(tagSchema),
);

/** The skeleton of a set's body: the value is the index of its raw text. A TTL that is absent or null is the default. */
export function setSchema({ defaultTtlSeconds, maxTtlSeconds }: TtlLimits) {
  const item = objectOf({
    key: keySchema,
    value: rawValueIndex,
    ttl: v.nullish(wholeSeconds(1, maxTtlSeconds)),
    grace: v.nullish(wholeSeconds(0, maxTtlSeconds)),
    lease: v.nullish(leaseTokenSchema),
    tags: v.nullish(tagsSchema),
  });
  const isWithinMaxTtl = ({ ttl, grace }: Pick<v.InferOutput<typeof item>, 'ttl' | 'grace'>) =>
    (ttl ?? defaultTtlSeconds) + (grace ?? 0) <= maxTtlSeconds;
  const problem = `must be at most ${maxTtlSeconds} seconds together with the TTL`;
  return v.pipe(item, v.forward(v.partialCheck([['ttl'], ['grace']], isWithinMaxTtl, problem), ['grace']));
}

/** The body of a lease request. */
export const leaseSchema = objectOf({
  key: keySchema,
  lease: v.nullish(leaseTimeSchema),
  tags: v.nullish(tagsSchema),
});

/** The body of a release. */
export const releaseSchema = objectOf({ key: keySchema, lease: leaseTokenSchema });

/** The body of a touch. */
export function touchSchema({ maxTtlSeconds }: { maxTtlSeconds: number }) {
  return objectOf({ key: keySchema, ttl: wholeSeconds(1, maxTtlSeconds) });
}

/** The keys or items of a batch. The length is checked first, so that a long list does not produce a million issues. */
function batchOf<const S extends v.GenericSchema>(item: S) {
  return v.pipe(
    list,
    v.minLength(1, 'must not be empty'),
    v.maxLength(MAX_BATCH, `must contain at most ${MAX_BATCH}`),
    v.array(item),
  );
}

/** The body of a batch of deletes. */
export const batchKeysSchema = objectOf({ keys: batchOf(keySchema) });

/** The body of a batch of gets. With `lease` they are lease requests. */
export const batchGetSchema = objectOf({
  keys: batchOf(keySchema),
  lease: v.nullish(leaseTimeSchema),
  tags: v.nullish(tagsSchema),
});

/** The body of a batch of sets. Each item is like the body of a set. */
export function batchSetSchema(limits: TtlLimits) {
  return objectOf({ items: batchOf(setSchema(limits)) });
}

const invalidation = v.object({
  pattern: v.nullish(patternSchema),
  // Not null: a caller whose list of tags is missing must not clear the tenant.
  tags: v.optional(v.pipe(tagsSchema, v.minLength(1, 'must not be empty'))),
  tenant_id: v.nullish(v.string('must be a string')),
});

/** A misspelled `pattern` must not be ignored: a body without a pattern and tags removes everything. */
const patternRequired = v.forward(
  v.check(
    (body: { pattern?: unknown }) =>
      Object.hasOwn(body, 'pattern') ||
      Object.hasOwn(body, 'tags') ||
      Object.keys(body).every((name) => Object.hasOwn(invalidation.entries, name)),
    'or tags are required if the body has unknown members',
  ),
  ['pattern'],
);

const notBoth = v.forward(
  v.check(
    ({ pattern, tags }: v.InferOutput<typeof invalidation>) => pattern == null || tags === undefined,
    'must not be given together with a pattern',
  ),
  ['tags'],
);

/** The body of an invalidation. Beside a `pattern` or `tags`, unknown members are dropped. Without one they are rejected. */
export const invalidateSchema = v.pipe(
  jsonObject,
  noMisspelling(Object.keys(invalidation.entries)),
  patternRequired,
  invalidation,
  notBoth,
);

/** Maximum number of keys in a page. */
export const MAX_LISTED_KEYS = 1000;

/** Number of keys in a page if the request does not contain a limit. */
export const DEFAULT_LISTED_KEYS = 100;

const pageSize = v.custom<string>(
  (text) => /^\d{1,9}$/.test(String(text)) && Number(text) >= 1 && Number(text) <= MAX_LISTED_KEYS,
  `must be a whole number from 1 to ${MAX_LISTED_KEYS}`,
);

/** The query of a list of keys. Parameters are text. */
export const listKeysSchema = v.object({
  pattern: v.optional(patternSchema),
  tag: v.optional(tagSchema),
  limit: v.optional(v.pipe(pageSize, v.transform(Number)), String(DEFAULT_LISTED_KEYS)),
  cursor: v.optional(v.string()),
});

/** The checks that are code, so that the OpenAPI document can describe them. */
export const checks = {
  wellFormed,
  shortEnough,
  shortTag,
  noControlCharacters,
  jsonObject,
  list,
  rawValueIndex,
  patternRequired,
  notBoth,
};

/**
 * Checks `input` and returns it with its type. Unknown members are dropped, unless the schema rejects them.
 *
 * @param field the name of the whole input in issues that concern no member of it
 * @throws ValidationError with an issue for every invalid field
 */
export function validate<const S extends v.GenericSchema>(
  schema: S,
  input: unknown,
  field: string,
): v.InferOutput<S> {
  const result = v.safeParse(schema, input, { abortPipeEarly: true });
  if (result.success) return result.output;
  const [first, ...others] = result.issues;
  const toIssue = (issue: v.BaseIssue<unknown>): Issue => ({
    field: v.getDotPath(issue) ?? field,
    message: issue.kind === 'schema' && issue.input === undefined ? 'is required' : issue.message,
  });
  throw new ValidationError([toIssue(first), ...others.map(toIssue)]);
}
