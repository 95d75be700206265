import * as v from 'valibot';
import { type Issue, ValidationError } from '../errors.ts';

/**
 * The schemas of everything that callers send: one for each kind of request, from which its validation and its type are made.
 */

/** Longest key and longest pattern, in bytes of UTF-8. */
export const MAX_KEY_BYTES = 1024;

const wellFormed = v.check((text: string) => text.isWellFormed(), 'must be well-formed Unicode');

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
  v.maxBytes(MAX_KEY_BYTES, `must be at most ${MAX_KEY_BYTES} bytes of UTF-8`),
  v.check((key) => !/\p{Cc}/u.test(key), 'must not hold control characters'),
);

const patternSchema = v.pipe(
  v.string('must be a string'),
  v.minLength(1, 'must not be empty'),
  wellFormed,
  v.maxBytes(MAX_KEY_BYTES, `must be at most ${MAX_KEY_BYTES} bytes of UTF-8`),
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

/** The body of a set, but for its value: that is lifted out as text and leaves a number in its place. */
export function setSchema(limits: { maxTtlSeconds: number }) {
  return v.pipe(
    jsonObject,
    v.object({ key: keySchema, value: v.number('is required'), ttl: ttlSchema(limits) }),
  );
}

/** The body of an invalidation. */
export const invalidateSchema = v.pipe(
  jsonObject,
  v.object({ pattern: v.nullish(patternSchema), tenant_id: v.nullish(v.string('must be a string')) }),
);

/**
 * Checks `input` and gives it its type. Members that the schema does not know are left out.
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
  const issues = result.issues.map(
    (issue): Issue => ({
      field: v.getDotPath(issue) ?? field,
      message: issue.kind === 'schema' && issue.input === undefined ? 'is required' : issue.message,
    }),
  );
  throw new ValidationError(issues);
}
