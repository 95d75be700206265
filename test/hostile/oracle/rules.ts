/**
 * The contract's rules for single values, implemented from its prose and independently of the service's schemas, so that the
 * tests can compare the two.
 */

/** The service's settings that decide whether a value is valid. */
export interface Limits {
  maxValueBytes: number;
  maxTtlSeconds: number;
  defaultTtlSeconds: number;
}

/** Maximum length of a key and of a pattern, in bytes of UTF-8. */
const MAX_NAME_BYTES = 1024;

const BATCH = { min: 1, max: 100 };

const LETTERS_AND_DIGITS = new Set('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789');

export function isTenant(text: unknown): text is string {
  if (typeof text !== 'string' || text.length < 1 || text.length > 128) return false;
  return [...text].every((c, i) => LETTERS_AND_DIGITS.has(c) || (i > 0 && '._-'.includes(c)));
}

export function isKey(value: unknown): value is string {
  return isPattern(value) && [...value].every((character) => !isControl(character.codePointAt(0) ?? 0));
}

export function isPattern(value: unknown): value is string {
  if (typeof value !== 'string' || value === '') return false;
  // A lone surrogate is not encodable: the encoder replaces it with another character.
  const bytes = Buffer.from(value);
  return bytes.length <= MAX_NAME_BYTES && bytes.toString() === value;
}

/** Maximum length of a tag in bytes of UTF-8, and maximum number of tags. */
const MAX_TAG_BYTES = 256;
const MAX_TAGS = 16;

export function isTag(value: unknown): value is string {
  return isKey(value) && Buffer.byteLength(value) <= MAX_TAG_BYTES;
}

/** Returns the distinct tags of a member; undefined if it is not a valid list of tags. */
export function tagsOf(value: unknown): string[] | undefined {
  if (value === undefined || value === null) return [];
  return Array.isArray(value) && value.length <= MAX_TAGS && value.every(isTag)
    ? [...new Set(value)]
    : undefined;
}

/** Returns the page size of a query; undefined if it is invalid. */
export function pageSizeOf(text: string | undefined): number | undefined {
  if (text === undefined) return 100;
  const size = [...text].every((c) => c >= '0' && c <= '9') && text.length < 10 ? Number(text) : 0;
  return size >= 1 && size <= 1000 ? size : undefined;
}

/** Returns the TTL of a member, in seconds; undefined if it is invalid. */
export function ttlOf(value: unknown, { maxTtlSeconds, defaultTtlSeconds }: Limits): number | undefined {
  if (value === undefined || value === null) return defaultTtlSeconds;
  const whole = typeof value === 'number' && Math.floor(value) === value;
  return whole && value >= 1 && value <= maxTtlSeconds ? value : undefined;
}

/** Returns the grace period of a member, in seconds; undefined if it is invalid for this TTL. */
export function graceOf(value: unknown, ttl: number, { maxTtlSeconds }: Limits): number | undefined {
  if (value === undefined || value === null) return 0;
  const whole = typeof value === 'number' && Math.floor(value) === value;
  return whole && value >= 0 && ttl + value <= maxTtlSeconds ? value : undefined;
}

/** Returns the lease duration of a member, in seconds; undefined if it is invalid. */
export function leaseTimeOf(value: unknown): number | undefined {
  if (value === undefined || value === null) return 30;
  const whole = typeof value === 'number' && Math.floor(value) === value;
  return whole && value >= 1 && value <= 300 ? value : undefined;
}

export function isToken(value: unknown): value is string {
  if (typeof value !== 'string' || value.length !== 11) return false;
  return [...value].every((c) => LETTERS_AND_DIGITS.has(c) || '-_'.includes(c));
}

/**
 * Whether a name counts as a misspelling of a known name: after lower-casing it differs by at most one edit, or by at most two
 * if the known name has five letters or more.
 */
export function isMisspelled(name: string, known: readonly string[]): boolean {
  if (known.includes(name)) return false;
  return known.some((right) => isWithinEdits(name.toLowerCase(), right, right.length >= 5 ? 2 : 1));
}

/** Tries every edit at the first position where the two names differ. */
function isWithinEdits(a: string, b: string, edits: number): boolean {
  if (a === b) return true;
  if (a !== '' && a[0] === b[0]) return isWithinEdits(a.slice(1), b.slice(1), edits);
  if (edits === 0) return false;
  const isSwapped = a.length > 1 && a[0] === b[1] && a[1] === b[0];
  return (
    isWithinEdits(a.slice(1), b.slice(1), edits - 1) ||
    isWithinEdits(a.slice(1), b, edits - 1) ||
    isWithinEdits(a, b.slice(1), edits - 1) ||
    (isSwapped && isWithinEdits(a.slice(2), b.slice(2), edits - 1))
  );
}

/** Whether a value is an array whose length a batch allows. */
export function isBatch(value: unknown): value is unknown[] {
  return Array.isArray(value) && value.length >= BATCH.min && value.length <= BATCH.max;
}

/** Returns the identifier that the service echoes; undefined if the received one is invalid and a UUID replaces it. */
export function echoedIdentifier(identifier: string | undefined): string | undefined {
  if (identifier === undefined || identifier.length < 1 || identifier.length > 128) return undefined;
  return [...identifier].every((c) => c > ' ' && c <= '~') ? identifier : undefined;
}

/** Whether a Content-Type is `application/json` or has the suffix `+json`. Parameters are ignored. */
export function isJsonType(contentType: string | undefined): boolean {
  const type = (contentType ?? '').split(';')[0]?.trim().toLowerCase() ?? '';
  if (type === 'application/json') return true;
  const subtype = type.startsWith('application/') ? type.slice('application/'.length) : '';
  const name = subtype.endsWith('+json') ? subtype.slice(0, -'+json'.length) : '';
  return name !== '' && [...name].every((c) => LETTERS_AND_DIGITS.has(c) || '._-'.includes(c));
}

/** Whether a Content-Type has no charset parameter or the charset UTF-8. */
export function isUtf8Type(contentType: string | undefined): boolean {
  const [, ...parameters] = (contentType ?? '').split(';').map((part) => part.split('='));
  const [charset] = parameters.filter(([name, value]) => name?.trim().toLowerCase() === 'charset' && value);
  const value = charset?.[1]?.trim().replaceAll('"', '').toLowerCase();
  return value === undefined || value === 'utf-8' || value === 'utf8';
}

/** Whether the body is not encoded: the Content-Encoding is absent, empty or `identity`. */
export function isPlain(contentEncoding: string | undefined): boolean {
  return contentEncoding === undefined || ['', 'identity'].includes(contentEncoding.toLowerCase());
}

function isControl(code: number): boolean {
  return code < 0x20 || (code >= 0x7f && code < 0xa0);
}
