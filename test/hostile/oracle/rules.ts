/**
 * The contract's rules for single texts, written down from its prose and apart from the service's own schemas, so that the two
 * can be held against each other.
 */

/** What a service has been set to, as far as it decides what is valid. */
export interface Limits {
  maxValueBytes: number;
  maxTtlSeconds: number;
  defaultTtlSeconds: number;
}

/** The longest key and the longest pattern, in bytes of UTF-8. */
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
  // A lone surrogate has no UTF-8: the encoder puts another character in its place.
  const bytes = Buffer.from(value);
  return bytes.length <= MAX_NAME_BYTES && bytes.toString() === value;
}

/** The longest tag in bytes of UTF-8, and the most tags. */
const MAX_TAG_BYTES = 256;
const MAX_TAGS = 16;

export function isTag(value: unknown): value is string {
  return isKey(value) && Buffer.byteLength(value) <= MAX_TAG_BYTES;
}

/** The tags that a member lists, each once; undefined when it is no such list. */
export function tagsOf(value: unknown): string[] | undefined {
  if (value === undefined || value === null) return [];
  return Array.isArray(value) && value.length <= MAX_TAGS && value.every(isTag)
    ? [...new Set(value)]
    : undefined;
}

/** The number of keys that a query asks for; undefined when it asks for none that there can be. */
export function pageSizeOf(text: string | undefined): number | undefined {
  if (text === undefined) return 100;
  const size = [...text].every((c) => c >= '0' && c <= '9') && text.length < 10 ? Number(text) : 0;
  return size >= 1 && size <= 1000 ? size : undefined;
}

/** The TTL that a member asks for, in seconds; undefined when it asks for none that there can be. */
export function ttlOf(value: unknown, { maxTtlSeconds, defaultTtlSeconds }: Limits): number | undefined {
  if (value === undefined || value === null) return defaultTtlSeconds;
  const whole = typeof value === 'number' && Math.floor(value) === value;
  return whole && value >= 1 && value <= maxTtlSeconds ? value : undefined;
}

/** The grace that a member asks for beside a TTL, in seconds; undefined when it asks for none that there can be. */
export function graceOf(value: unknown, ttl: number, { maxTtlSeconds }: Limits): number | undefined {
  if (value === undefined || value === null) return 0;
  const whole = typeof value === 'number' && Math.floor(value) === value;
  return whole && value >= 0 && ttl + value <= maxTtlSeconds ? value : undefined;
}

/** The time of a lease that a member asks for, in seconds; undefined when it asks for none that there can be. */
export function leaseTimeOf(value: unknown): number | undefined {
  if (value === undefined || value === null) return 30;
  const whole = typeof value === 'number' && Math.floor(value) === value;
  return whole && value >= 1 && value <= 300 ? value : undefined;
}

export function isToken(value: unknown): value is string {
  if (typeof value !== 'string' || value.length !== 11) return false;
  return [...value].every((c) => LETTERS_AND_DIGITS.has(c) || '-_'.includes(c));
}

/** Whether a name is taken for a misspelling of one of the known names: other case, one letter, two letters from five on. */
export function isMisspelled(name: string, known: readonly string[]): boolean {
  if (known.includes(name)) return false;
  return known.some((right) => isWithinEdits(name.toLowerCase(), right, right.length >= 5 ? 2 : 1));
}

/** Tries every edit at the first place where two names differ. */
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

/** An array that a batch may hold. */
export function isBatch(value: unknown): value is unknown[] {
  return Array.isArray(value) && value.length >= BATCH.min && value.length <= BATCH.max;
}

/** What is echoed of an identifier that came in a header: itself, or nothing where a UUID takes its place. */
export function echoed(identifier: string | undefined): string | undefined {
  if (identifier === undefined || identifier.length < 1 || identifier.length > 128) return undefined;
  return [...identifier].every((c) => c > ' ' && c <= '~') ? identifier : undefined;
}

/** Whether a Content-Type says JSON, parameters aside: `application/json`, or a suffix `+json`. */
export function isJsonType(contentType: string | undefined): boolean {
  const type = (contentType ?? '').split(';')[0]?.trim().toLowerCase() ?? '';
  if (type === 'application/json') return true;
  const subtype = type.startsWith('application/') ? type.slice('application/'.length) : '';
  const name = subtype.endsWith('+json') ? subtype.slice(0, -'+json'.length) : '';
  return name !== '' && [...name].every((c) => LETTERS_AND_DIGITS.has(c) || '._-'.includes(c));
}

/** Whether a Content-Type names no charset but UTF-8. */
export function isUtf8Type(contentType: string | undefined): boolean {
  const [, ...parameters] = (contentType ?? '').split(';').map((part) => part.split('='));
  const [charset] = parameters.filter(([name, value]) => name?.trim().toLowerCase() === 'charset' && value);
  const value = charset?.[1]?.trim().replaceAll('"', '').toLowerCase();
  return value === undefined || value === 'utf-8' || value === 'utf8';
}

/** Whether a Content-Encoding, where there is one, leaves the body as it is. */
export function isPlain(contentEncoding: string | undefined): boolean {
  return contentEncoding === undefined || ['', 'identity'].includes(contentEncoding.toLowerCase());
}

function isControl(code: number): boolean {
  return code < 0x20 || (code >= 0x7f && code < 0xa0);
}
