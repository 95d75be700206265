import { ID_BYTES } from '../id.ts';
import type { HeldLease } from '../lease.ts';
import type { Hit, Item } from '../store.ts';

/**
 * The format of an entry, with lengths in bytes:
 *
 * | generation | flags | TTL in seconds | expiry in epoch milliseconds | lease fields | tags | body                |
 * | ---------- | ----- | -------------- | ---------------------------- | ------------ | ---- | ------------------- |
 * | 11         | 1     | 6, in base 36  | 13 decimal digits            | 0 or 27      |      | JSON text, its zstd |
 *
 * Only an entry that has a grace or tags, was set with a lease, or is a placeholder has lease fields:
 *
 * | token | lease's expiry in epoch milliseconds | lease time in seconds |
 * | ----- | ------------------------------------ | --------------------- |
 * | 11    | 13 decimal digits                    | 3 decimal digits      |
 *
 * Tags are their length together in bytes, in 4 decimal digits, and the tags, separated by {@link TAG_SEPARATOR}.
 *
 * A lease is held if its expiry is in the future. An entry that was set with a lease keeps the token and has no lease's expiry.
 *
 * The header is ASCII, so that it can be sent as a string: ioredis takes 14 µs longer for a command that contains a Buffer.
 *
 * The server writes the expiries, by its own clock. A reader's clock may differ, so the remaining TTL that a reader computes is limited
 * to the TTL that was set.
 */

export const GENERATION_BYTES = ID_BYTES;

const FLAGS_AT = GENERATION_BYTES;
/** The offset of the TTL, which the expiry follows. */
export const TTL_AT = FLAGS_AT + 1;
export const EXPIRY_AT = TTL_AT + 6;
const EXPIRY_BYTES = 13;
/** The offset of the lease fields, or of the body if there are none. */
export const LEASE_AT = EXPIRY_AT + EXPIRY_BYTES;
export const LEASE_EXPIRY_AT = LEASE_AT + ID_BYTES;
const LEASE_TIME_AT = LEASE_EXPIRY_AT + EXPIRY_BYTES;
/** The offset of the body behind lease fields. */
export const LEASED_BODY_AT = LEASE_TIME_AT + 3;

/** Separates tags, and in indexes a tag from a key. Neither contains control characters. */
export const TAG_SEPARATOR = '\x01';
/** Digits of the length of the tags. */
export const TAGS_LENGTH_BYTES = 4;

/** The flags of an entry with a value: a hexadecimal digit, which is the sum of these. */
const ZSTD = 1;
const LEASE_FIELDS = 2;
/** The entry remains stored when its TTL has passed. Only lease requests can read it then. */
const GRACE = 4;
export const TAGS_FLAG = 8;

/** The flags of entries with a value: with a grace, and others. Entries with a grace or with tags have lease fields. */
export const GRACE_FLAGS = '67ef';
export const VALUE_FLAGS = `0123ab${GRACE_FLAGS}`;
/**
 * The flags of a placeholder without and with tags: a lease on a key without a value. All reads of values treat it as a miss.
 */
export const PLACEHOLDER = 'p';
export const TAGGED_PLACEHOLDER = 'q';
export const PLACEHOLDER_FLAGS = PLACEHOLDER + TAGGED_PLACEHOLDER;
export const LEASE_FLAGS = `23ab${GRACE_FLAGS}${PLACEHOLDER_FLAGS}`;
export const TAG_FLAGS = `abef${TAGGED_PLACEHOLDER}`;

/**
 * Bodies of at least this many bytes are sent with room for what precedes them. Redis and Valkey hash every byte of each string that a script
 * creates, so a script takes 3 µs per kilobyte to prepend a header, and 2 µs to overwrite the room.
 */
const ROOM_MIN_BYTES = 4096;

/** A token that no caller can have. */
export const NO_TOKEN = '.'.repeat(ID_BYTES);
const NOT_HELD = '0'.repeat(LEASED_BODY_AT - LEASE_EXPIRY_AT);
/** The lease fields of an entry that nobody has a lease on. */
export const NO_LEASE = NO_TOKEN + NOT_HELD;

/** Loaded when it is needed: it takes 3 ms of a cold start, and many functions never process a value that is large enough. */
const zlib = () => process.getBuiltinModule('node:zlib');

/**
 * Level 1: higher levels take longer and do not make JSON of embeddings smaller. A table of 4,096 entries fits into the processor's cache:
 * 700 kB of embeddings take 0.87 of the time and become 2 % larger, smaller texts do not become larger.
 */
function compress(text: Buffer): Buffer {
  const { constants, zstdCompressSync } = zlib();
  const params = {
    [constants.ZSTD_c_compressionLevel]: 1,
    [constants.ZSTD_c_hashLog]: 12,
  };
  return zstdCompressSync(text, { chunkSize: chunkSize(text.length), params });
}

function decompress(body: Buffer): Buffer {
  return zlib().zstdDecompressSync(body, { chunkSize: chunkSize(4 * body.length) });
}

/** So large that most results are one chunk: joining 700 kB from chunks of 16 kB, zlib's default, takes 20 % of the time. */
function chunkSize(expectedBytes: number): number {
  return Math.max(1024, Math.min(expectedBytes, 1024 * 1024));
}

/** The parts of an entry. The server inserts the generation, and the expiry after the head. */
export interface EncodedEntry {
  head: string;
  /** The lease fields and the tags. Empty if the entry has neither. */
  fields: string;
  /** The body. A large one is preceded by a zero byte for each byte of the header, lease fields and tags. */
  body: string | Buffer;
  /** By how many bytes compression made the value smaller. */
  savedBytes: number;
}

/** Encodes an item. Values of at least `compressMinBytes` are compressed, if that makes them smaller; 0 compresses none. */
export function encodeEntry(
  { value, ttlSeconds, graceSeconds = 0, lease, tags = [] }: Omit<Item, 'key'>,
  compressMinBytes: number,
): EncodedEntry {
  const packed = pack(value, compressMinBytes);
  const hasTags = tags.length > 0;
  const hasLeaseFields = graceSeconds > 0 || lease !== undefined || hasTags;
  const flags =
    (packed ? ZSTD : 0) +
    (hasLeaseFields ? LEASE_FIELDS : 0) +
    (graceSeconds > 0 ? GRACE : 0) +
    (hasTags ? TAGS_FLAG : 0);
  const fields = (hasLeaseFields ? (lease ?? NO_TOKEN) + NOT_HELD : '') + encodeTags(tags);
  return {
    head: flags.toString(16) + encodeTtl(ttlSeconds),
    fields,
    body: withRoom(packed?.body ?? value, LEASE_AT + Buffer.byteLength(fields)),
    savedBytes: packed?.savedBytes ?? 0,
  };
}

function withRoom(body: string | Buffer, bytes: number): string | Buffer {
  if (body.length < ROOM_MIN_BYTES) return body;
  return typeof body === 'string' ? '\0'.repeat(bytes) + body : Buffer.concat([Buffer.alloc(bytes), body]);
}

function encodeTags(tags: readonly string[]): string {
  if (tags.length === 0) return '';
  const text = tags.join(TAG_SEPARATOR);
  return String(Buffer.byteLength(text)).padStart(TAGS_LENGTH_BYTES, '0') + text;
}

export function encodeTtl(ttlSeconds: number): string {
  return ttlSeconds.toString(36).padStart(EXPIRY_AT - TTL_AT, '0');
}

function pack(value: string, compressMinBytes: number): { body: Buffer; savedBytes: number } | undefined {
  // A UTF-16 code unit is at most three bytes in UTF-8.
  if (compressMinBytes === 0 || value.length * 3 < compressMinBytes) return undefined;
  const text = Buffer.from(value);
  if (text.length < compressMinBytes) return undefined;
  const packed = compress(text);
  if (packed.length >= text.length) return undefined;
  return { body: packed, savedBytes: text.length - packed.length };
}

/** An entry of the current generation, as a lease request sees it. */
export interface StoredEntry {
  /** Undefined for a placeholder. The TTL of a stale value is 0. */
  hit: Hit | undefined;
  /** The last lease on a stale value or a placeholder; undefined for a fresh value. It may have expired. */
  lease: HeldLease | undefined;
}

/**
 * Decodes an entry.
 *
 * @param nowEpochMs by the server's clock
 * @param wantsStale false: a stale value is a miss, and is not decompressed
 * @returns undefined, a miss, if the entry does not have the shard's generation, is damaged, or has the flags of a later version
 */
export function decodeEntry(
  raw: Buffer | null,
  generation: Buffer | null,
  nowEpochMs: number,
  wantsStale = true,
): StoredEntry | undefined {
  if (!raw || !generation || raw.length < LEASE_AT) return undefined;
  if (raw.compare(generation, 0, generation.length, 0, GENERATION_BYTES) !== 0) return undefined;
  const head = raw.toString('latin1', 0, Math.min(raw.length, LEASED_BODY_AT));
  const flags = head.charAt(FLAGS_AT);
  const isPlaceholder = PLACEHOLDER_FLAGS.includes(flags);
  if (!isPlaceholder && !VALUE_FLAGS.includes(flags)) return undefined;
  const bodyAt = bodyOffset(raw, flags);
  if (!(raw.length >= bodyAt)) return undefined;
  const leftMs = Number(head.slice(EXPIRY_AT, LEASE_AT)) - nowEpochMs;
  const isStale = isPlaceholder || (GRACE_FLAGS.includes(flags) && leftMs <= 0);
  const lease = isStale ? decodeLease(head) : undefined;
  if (isPlaceholder || (isStale && !wantsStale)) return { hit: undefined, lease };
  const text = decodeBody(raw.subarray(bodyAt), flags);
  // No JSON text is empty: a set was interrupted.
  if (!text || text.length === 0) return undefined;
  const ttlSeconds = Number.parseInt(head.slice(TTL_AT, EXPIRY_AT), 36);
  // At least 1 for a fresh value: the server returned the entry, so it has not expired by the server's clock.
  const ttl = isStale ? 0 : Math.max(1, Math.min(Math.ceil(leftMs / 1000), ttlSeconds));
  return { hit: { value: text.toString(), bytes: text.length, ttl }, lease };
}

/** @returns NaN if the entry is damaged */
function bodyOffset(raw: Buffer, flags: string): number {
  if (!LEASE_FLAGS.includes(flags)) return LEASE_AT;
  if (!TAG_FLAGS.includes(flags)) return LEASED_BODY_AT;
  const tagsAt = LEASED_BODY_AT + TAGS_LENGTH_BYTES;
  return tagsAt + Number.parseInt(raw.toString('latin1', LEASED_BODY_AT, tagsAt), 10);
}

/** True if the server's clock decides what a reader may return: the entry may be stale, or its lease may have ended. */
export function dependsOnClock(raw: Buffer | null): boolean {
  const flags = raw?.toString('latin1', FLAGS_AT, TTL_AT) ?? '';
  return flags !== '' && (GRACE_FLAGS + PLACEHOLDER_FLAGS).includes(flags);
}

function decodeLease(head: string): HeldLease {
  return {
    expiryEpochMs: Number(head.slice(LEASE_EXPIRY_AT, LEASE_TIME_AT)),
    seconds: Number(head.slice(LEASE_TIME_AT, LEASED_BODY_AT)),
  };
}

function decodeBody(body: Buffer, flags: string): Buffer | undefined {
  if (Number.parseInt(flags, 16) % 2 !== ZSTD) return body;
  try {
    return decompress(body);
  } catch {
    return undefined;
  }
}
