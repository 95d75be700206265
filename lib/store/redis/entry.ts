import { randomBytes } from 'node:crypto';
import type { Hit } from '../store.ts';

/**
 * The format of an entry, with lengths in bytes:
 *
 * | generation | flags | TTL in seconds    | expiry in epoch milliseconds | body                    |
 * | ---------- | ----- | ----------------- | ---------------------------- | ----------------------- |
 * | 11         | 1     | 6, in base 36     | 13 decimal digits            | JSON text, or its zstd  |
 *
 * The header is ASCII, so that it can be sent as a string: ioredis takes 14 µs longer for a command that contains a Buffer.
 *
 * The server writes the expiry, by its own clock. A reader's clock may differ, so the remaining TTL that a reader computes is limited
 * to the TTL that was set.
 */

/** The length of a generation: 66 random bits in base64url. */
export const GENERATION_BYTES = 11;

const FLAGS_AT = GENERATION_BYTES;
/** The offset of the TTL, which the expiry follows. */
export const TTL_AT = FLAGS_AT + 1;
const EXPIRY_AT = TTL_AT + 6;
const BODY_AT = EXPIRY_AT + 13;

/** The flags of an entry: how its body is encoded. */
const PLAIN = '0';
const ZSTD = '1';
export const FLAGS = [PLAIN, ZSTD];

/** Loaded when it is needed: it takes 3 ms of a cold start, and many functions never process a value that is large enough. */
const zlib = () => process.getBuiltinModule('node:zlib');

/** Level 1: higher levels take longer and do not make JSON of embeddings smaller. */
function compress(text: Buffer): Buffer {
  const { constants, zstdCompressSync } = zlib();
  const params = { [constants.ZSTD_c_compressionLevel]: 1 };
  return zstdCompressSync(text, { chunkSize: chunkSize(text.length), params });
}

function decompress(body: Buffer): Buffer {
  return zlib().zstdDecompressSync(body, { chunkSize: chunkSize(4 * body.length) });
}

/** So large that most results are one chunk: joining 700 kB from chunks of 16 kB, zlib's default, takes 20 % of the time. */
function chunkSize(expectedBytes: number): number {
  return Math.max(1024, Math.min(expectedBytes, 1024 * 1024));
}

/** The parts of an entry before and after the expiry. The server inserts the generation and the expiry. */
export interface EncodedEntry {
  head: string;
  body: string | Buffer;
  /** By how many bytes compression made the value smaller. */
  savedBytes: number;
}

/** Encodes a value. Values of at least `compressMinBytes` are compressed, if that makes them smaller; 0 compresses none. */
export function encodeEntry(value: string, ttlSeconds: number, compressMinBytes: number): EncodedEntry {
  const packed = pack(value, compressMinBytes);
  const encodedTtl = encodeTtl(ttlSeconds);
  return packed
    ? { head: ZSTD + encodedTtl, body: packed.body, savedBytes: packed.savedBytes }
    : { head: PLAIN + encodedTtl, body: value, savedBytes: 0 };
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

/**
 * Decodes an entry.
 *
 * @returns undefined, a miss, if the entry does not have the shard's generation, is damaged, or has the flags of a later version
 */
export function decodeEntry(
  raw: Buffer | null,
  generation: Buffer | null,
  nowEpochMs: number,
): Hit | undefined {
  if (!raw || !generation || raw.length < BODY_AT) return undefined;
  if (raw.compare(generation, 0, generation.length, 0, GENERATION_BYTES) !== 0) return undefined;
  const head = raw.toString('latin1', FLAGS_AT, BODY_AT);
  const text = decodeBody(head.charAt(0), raw.subarray(BODY_AT));
  if (!text) return undefined;
  const ttlSeconds = Number.parseInt(head.slice(TTL_AT - FLAGS_AT, EXPIRY_AT - FLAGS_AT), 36);
  const leftSeconds = Math.ceil((Number(head.slice(EXPIRY_AT - FLAGS_AT)) - nowEpochMs) / 1000);
  return {
    value: text.toString(),
    bytes: text.length,
    // At least 1: the server returned the entry, so it has not expired by the server's clock.
    ttl: Math.max(1, Math.min(leftSeconds, ttlSeconds)),
  };
}

function decodeBody(flags: string, body: Buffer): Buffer | undefined {
  if (flags === PLAIN) return body;
  if (flags !== ZSTD) return undefined;
  try {
    return decompress(body);
  } catch {
    return undefined;
  }
}

/** Random characters for the next generations. */
let pool = '';

/** Creates a generation. Each set sends one, so 400 are drawn at a time: single draws would take each set 2 µs. */
export function newGeneration(): string {
  // base64url makes four characters of three bytes.
  if (pool.length < GENERATION_BYTES) pool = randomBytes(GENERATION_BYTES * 300).toString('base64url');
  const generation = pool.slice(0, GENERATION_BYTES);
  pool = pool.slice(GENERATION_BYTES);
  return generation;
}
