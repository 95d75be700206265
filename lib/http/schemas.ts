import * as v from 'valibot';
import { type Issue, ValidationError } from '../errors.ts';
import { misspelledName } from './misspelling.ts';

/**
 * The schemas of everything that callers send: one for each kind of request, from which its validation and its type are made.
 */

/** Longest key and longest pattern, in bytes of UTF-8. */
export const MAX_KEY_BYTES = 1024;

/** The most keys or items of a batch. */
export const MAX_BATCH = 100;

/**
 * What the values of a batch may take together, in bytes, unless one alone may take more. It leaves room for a hundred keys of
 * the greatest length in the 6 MB that Lambda carries.
 */
export const MAX_BATCH_BYTES = 5 * 1024 ** 2;

/**
 * What the body of another request may take beside its value, in bytes. The longest key or pattern takes a tenth of this, and a
 * parser a hundred times as much memory as the text it is given.
 */
export const MAX_REST_BYTES = 64 * 1024;

/** What the values of a batch may take together with these settings, in bytes: one that may be set at all fits by itself. */
export const maxBatchBytesOf = ({ maxValueBytes }: { maxValueBytes: number }) =>
  Math.max(MAX_BATCH_BYTES, maxValueBytes);

/** What the body of a batch may take beside the values, in bytes: its keys, as long as they can be and every byte escaped. */
export const MAX_BATCH_REST_BYTES = 640 * 1024;

const wellFormed = v.check((text: string) => text.isWellFormed(), 'must be well-formed Unicode');

/** Not valibot's own, which encodes the text to count its bytes: of a hundred keys that is a tenth of a request. */
const shortEnough = v.check(
  (text: string) => Buffer.byteLength(text) <= MAX_KEY_BYTES,
  `must be at most ${MAX_KEY_BYTES} bytes of UTF-8`,
);

const noControlCharacters = v.check(
  (text: string) => !/\p{Cc}/u.test(text),
  'must not hold control characters',
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

const patternSchema = v.pipe(
  v.string('must be a string'),
  v.minLength(1, 'must not be empty'),
  wellFormed,
  shortEnough,
);

/** Whole seconds, 1 to `maxTtlSeconds`; absent or null means the default. */
function ttlSchema({ maxTtlSeconds }: { maxTtlSeconds: number }) {
  const problem = `must be a whole number of seconds from 1 to ${maxTtlSeconds}`;
  return v.nullish(
    v.pipe(v.number(problem), v.integer(problem), v.minValue(1, problem), v.maxValue(maxTtlSeconds, problem)),
  );
}

/** Valibot takes an array for an object, whose members are then all absent: an invalidation of everything. */
const jsonObject = v.custom<object>(
  (body) => typeof body === 'object' && body !== null && !Array.isArray(body),
  'must be a JSON object',
);

/** A JSON object with these members. Unknown ones are left out, misspelled ones are rejected. */
function objectOf<const E extends v.ObjectEntries>(entries: E) {
  return v.pipe(jsonObject, noMisspelling(Object.keys(entries)), v.object(entries));
}

/** Reports the first misspelled member alone: a body can hold thousands of names. */
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

/** What the skeleton of a body has in place of a raw value: its index in `rawValues`. */
const rawValueIndex = v.number('is required');

/** The skeleton of a set's body: the value is the index of its raw text. */
export function setSchema(limits: { maxTtlSeconds: number }) {
  return objectOf({ key: keySchema, value: rawValueIndex, ttl: ttlSchema(limits) });
}

const list = v.custom<unknown[]>((given) => Array.isArray(given), 'must be an array');

/** A list of what a batch names. Its length is looked at first: no list of a million problems shall come of a long one. */
function batchOf<const S extends v.GenericSchema>(item: S) {
  return v.pipe(
    list,
    v.minLength(1, 'must not be empty'),
    v.maxLength(MAX_BATCH, `must hold at most ${MAX_BATCH}`),
    v.array(item),
  );
}

/** The body of a batch of gets or deletes. */
export const batchKeysSchema = objectOf({ keys: batchOf(keySchema) });

/** The body of a batch of sets: each item is as the body of a set. */
export function batchSetSchema(limits: { maxTtlSeconds: number }) {
  return objectOf({ items: batchOf(setSchema(limits)) });
}

const invalidation = {
  pattern: v.nullish(patternSchema),
  tenant_id: v.nullish(v.string('must be a string')),
};

/** A misspelled `pattern` would be ignored, and the absence of one removes everything. */
const noStrangerForPattern = v.forward(
  v.check(
    (body: { pattern?: unknown }) =>
      Object.hasOwn(body, 'pattern') || Object.keys(body).every((name) => Object.hasOwn(invalidation, name)),
    'is required beside members that are not known',
  ),
  ['pattern'],
);

/** The body of an invalidation. Unknown members are left out beside a `pattern`, and rejected without one. */
export const invalidateSchema = v.pipe(
  jsonObject,
  noMisspelling(Object.keys(invalidation)),
  noStrangerForPattern,
  v.object(invalidation),
);

/** What is checked by code, for whoever describes the schemas to others. */
export const checks = {
  wellFormed,
  shortEnough,
  noControlCharacters,
  jsonObject,
  list,
  rawValueIndex,
  noStrangerForPattern,
};

/**
 * Checks `input` and gives it its type. Members that the schema does not know are left out, unless it rejects them.
 *
 * @param field what the input as a whole is called, when the problem lies with no member of it
 * @throws ValidationError naming every field that is not of its form
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
