/**
 * Fits the keys and TTLs of other libraries into the limits of the service.
 *
 * A key that the service would reject is shortened to its first 256 characters, without control characters, and the SHA-256 of the whole
 * key. It keeps its prefix, so that a removal by prefix includes it. It is not listed, because its original cannot be recovered.
 */

import { check } from '../checks.ts';
import type { CacheClient } from '../client.ts';
import { sha256 } from '../runtime.ts';

/** The methods of a `CacheClient` that an adapter uses: a wrapper such as a near cache may provide them. */
export type Cache<Methods extends keyof CacheClient> = Pick<CacheClient, Methods>;

export interface TtlOptions {
  /** Whole seconds, for entries that the library sets without a TTL. Default: the service's default TTL (300). */
  ttl?: number | undefined;
  /** Whole seconds. Longer TTLs are cut to it. Default: 2,592,000 (30 days), which is the default of the service's `MAX_TTL_SECONDS`. */
  maxTtl?: number | undefined;
}

/**
 * Checks what an adapter is created with, because many callers have no type checker.
 *
 * @throws TypeError that names the argument
 */
export function checkAdapter(cache: unknown, { ttl, maxTtl }: TtlOptions = {}): void {
  const hasMethods = typeof (cache as Partial<CacheClient> | undefined)?.set === 'function';
  check(
    hasMethods || typeof (cache as Partial<CacheClient> | undefined)?.getOrSet === 'function',
    'cache must be a CacheClient',
  );
  for (const [name, value] of Object.entries({ ttl, maxTtl })) {
    const isSeconds = value === undefined || (Number.isInteger(value) && value >= 1);
    check(isSeconds, `${name} must be a whole number of seconds, 1 or more`);
  }
}

const MAX_TTL_SECONDS = 30 * 24 * 3600;

/**
 * The TTL of an entry in whole seconds, rounded up, at least 1.
 *
 * @param seconds what the library states. Undefined, null and 0 mean none
 * @returns undefined for the service's default
 */
export function ttlOf(
  seconds: number | null | undefined,
  { ttl, maxTtl = MAX_TTL_SECONDS }: TtlOptions,
): number | undefined {
  const stated = seconds || ttl;
  return stated === undefined ? undefined : Math.min(Math.max(1, Math.ceil(stated)), maxTtl);
}

const MAX_KEY_BYTES = 1024;

/** UTF-16 code units of a shortened key before its digest: at most 768 bytes of UTF-8. */
const MAX_PREFIX_LENGTH = 256;

/** What a key must not contain: control characters and halves of surrogate pairs. */
const INVALID = /[\p{Cc}\p{Cs}]/u;
const SHORTENED = /~[0-9a-f]{64}$/;

const utf8 = new TextEncoder();

/** The key under which the service stores an entry: `key` itself if the service accepts it. Different keys have different results. */
export async function storedKey(key: string): Promise<string> {
  const fits = key !== '' && !INVALID.test(key) && utf8.encode(key).length <= MAX_KEY_BYTES;
  if (fits && !isShortened(key)) return key;
  const start = key.slice(0, MAX_PREFIX_LENGTH).replaceAll(new RegExp(INVALID, 'gu'), '_');
  // As JSON, because UTF-8 encodes all halves of surrogate pairs alike.
  return `${start}~${await sha256(JSON.stringify(key))}`;
}

/** Whether a stored key is the short form of another. */
export function isShortened(key: string): boolean {
  return SHORTENED.test(key);
}

/**
 * A glob that matches the stored keys with a prefix, also the shortened ones.
 *
 * @throws TypeError for a prefix that shortened keys do not keep
 */
export function patternOf(prefix: string): string {
  if (prefix.length > MAX_PREFIX_LENGTH || INVALID.test(prefix)) {
    const limits = `at most ${MAX_PREFIX_LENGTH} characters and no control characters`;
    throw new TypeError(`A prefix or namespace must have ${limits}: ${JSON.stringify(prefix)}`);
  }
  return `${prefix.replaceAll(/[*?[\]\\]/g, '\\$&')}*`;
}
