/**
 * Argument checks for callers without a type checker. Without them, `get(undefined)` would request the key "undefined".
 *
 * Each check throws a TypeError that names the argument. The service checks values, such as the length of a key.
 */
import type {
  CallOptions,
  ClientOptions,
  Entry,
  EntryOptions,
  GetOrSetOptions,
  KeysOptions,
  LeaseOptions,
  SetOptions,
} from './types.ts';

export function check(valid: boolean, message: string): void {
  if (!valid) throw new TypeError(message);
}

export function checkString(name: string, value: unknown): void {
  check(typeof value === 'string', `${name} must be a string`);
}

export function checkFunction(name: string, value: unknown): void {
  check(typeof value === 'function', `${name} must be a function`);
}

export function checkTtl(name: string, value: unknown): void {
  check(Number.isFinite(value), `${name} must be a finite number of seconds`);
}

export function checkKeys(keys: readonly string[]): void {
  check(Array.isArray(keys), 'keys must be an array of strings');
  for (const [index, key] of keys.entries()) checkString(`keys[${index}]`, key);
}

export function checkEntries(entries: readonly Entry[]): void {
  check(Array.isArray(entries), 'entries must be an array of objects');
  for (const [index, entry] of entries.entries()) {
    const name = `entries[${index}]`;
    check(isObject(entry), `${name} must be an object`);
    checkString(`${name}.key`, entry.key);
    checkEntryOptions(entry, `${name}.`);
  }
}

function checkEntryOptions({ ttl, grace, lease, tags }: EntryOptions, path = ''): void {
  if (ttl !== undefined) checkTtl(`${path}ttl`, ttl);
  if (grace !== undefined) checkTtl(`${path}grace`, grace);
  if (lease !== undefined) checkString(`${path}lease`, lease);
  if (tags !== undefined) checkTags(`${path}tags`, tags);
}

export function checkTags(name: string, tags: readonly string[]): void {
  check(
    Array.isArray(tags) && tags.every((tag) => typeof tag === 'string'),
    `${name} must be an array of strings`,
  );
}

/** Checks the options of a set. */
export function checkSetOptions(options: SetOptions): void {
  checkOptions(options, 'ttl: 60');
  checkEntryOptions(options);
}

/** Checks the options of a lease request. */
export function checkLeaseOptions(options: LeaseOptions): void {
  checkOptions(options, 'lease: 30');
  if (options.lease !== undefined) checkTtl('lease', options.lease);
  if (options.tags !== undefined) checkTags('tags', options.tags);
}

/** Checks the options of `keys`. */
export function checkKeysOptions(options: KeysOptions): void {
  checkOptions(options, "pattern: 'user:*'");
  const { pattern, tag, limit } = options;
  if (pattern !== undefined) checkString('pattern', pattern);
  if (tag !== undefined) checkString('tag', tag);
  check(limit === undefined || Number.isFinite(limit), 'limit must be a finite number of keys');
}

/** Checks the options of a `getOrSet` or `getOrSetMany`. */
export function checkGetOrSetOptions(options: GetOrSetOptions<never>): void {
  checkOptions(options);
  checkTimeouts(options);
  const { grace, lease, tags, tagsOf, waitUntil } = options;
  if (lease !== undefined) checkTtl('lease', lease);
  if (grace !== undefined) checkTtl('grace', grace);
  if (tags !== undefined) checkTags('tags', tags);
  if (tagsOf !== undefined) checkFunction('tagsOf', tagsOf);
  if (waitUntil !== undefined) checkFunction('waitUntil', waitUntil);
}

/** Checks the options of any call. @param example shown in the error message */
export function checkOptions(options: CallOptions, example = 'timeoutMs: 1000'): void {
  check(isObject(options), `options must be an object, e.g. { ${example} }`);
  const { signal, correlationId, headers } = options;
  checkTimeouts(options);
  check(
    signal === undefined || typeof signal?.addEventListener === 'function',
    'signal must be an AbortSignal',
  );
  if (correlationId !== undefined) checkString('correlationId', correlationId);
  check(headers === undefined || isObject(headers), 'headers must be an object');
}

/** Checks a client's options except `url`. */
export function checkClientOptions(options: ClientOptions): void {
  const { tenant, userId, retries } = options;
  checkString('tenant', tenant);
  if (userId !== undefined) checkString('userId', userId);
  checkTimeouts(options);
  check(
    retries === undefined || (typeof retries === 'number' && retries >= 0),
    'retries must be a number, 0 or more',
  );
  for (const name of ['fetch', 'authorize', 'headers', 'onError', 'parse', 'stringify'] as const) {
    if (options[name] !== undefined) checkFunction(name, options[name]);
  }
}

function checkTimeouts(options: Pick<ClientOptions, 'timeoutMs' | 'produceTimeoutMs'>): void {
  for (const name of ['timeoutMs', 'produceTimeoutMs'] as const) {
    const value = options[name];
    check(
      value === undefined || (typeof value === 'number' && value > 0),
      `${name} must be a number above 0`,
    );
  }
}

export function isObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null;
}
