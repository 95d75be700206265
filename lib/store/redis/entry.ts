import type { Hit } from '../store.ts';
import { GENERATION_BYTES } from './generation.ts';

/**
 * How an entry is written, in bytes:
 *
 * | generation | flags | TTL in seconds    | expiry in epoch milliseconds | body                    |
 * | ---------- | ----- | ----------------- | ---------------------------- | ----------------------- |
 * | 11         | 1     | 6, in base 36     | 13 decimal digits            | JSON text, or its zstd  |
 *
 * All before the body is ASCII: a command that holds a Buffer takes the client 14 µs more than one of strings alone.
 *
 * The expiry is written by the server, by its own clock. A reader's clock may differ a little; with the TTL beside it, what a
 * reader reports never exceeds what was set.
 */
const FLAGS_AT = GENERATION_BYTES;
const TTL_AT = FLAGS_AT + 1;
const EXPIRY_AT = TTL_AT + 6;
const BODY_AT = EXPIRY_AT + 13;

const PLAIN = '0';
const ZSTD = '1';

/** Loading it takes 3 ms of a cold start, and many functions never meet a value that is large enough. */
const zlib = () => process.getBuiltinModule('node:zlib');

/** Level 1: on JSON of embeddings higher ones take longer and gain nothing. */
function compress(text: Buffer): Buffer {
  const { constants, zstdCompressSync } = zlib();
  const params = { [constants.ZSTD_c_compressionLevel]: 1 };
  return zstdCompressSync(text, { chunkSize: chunkSize(text.length), params });
}

function decompress(body: Buffer): Buffer {
  return zlib().zstdDecompressSync(body, { chunkSize: chunkSize(4 * body.length) });
}

/** So large that most results take one piece: of 700 kB, joining pieces of zlib's default of 16 kB takes a fifth of the time. */
function chunkSize(expectedBytes: number): number {
  return Math.max(1024, Math.min(expectedBytes, 1024 * 1024));
}

/** What stands before and after the expiry, which the server fills in. */
export interface EncodedEntry {
  head: string;
  body: string | Buffer;
  /** How many bytes compression made it smaller. */
  savedBytes: number;
}

/** Encodes a value. From `compressMinBytes` on it is compressed, if that makes it smaller; 0 compresses nothing. */
export function encodeEntry(value: string, ttlSeconds: number, compressMinBytes: number): EncodedEntry {
  const packed = pack(value, compressMinBytes);
  const ttl = ttlSeconds.toString(36).padStart(EXPIRY_AT - TTL_AT, '0');
  return packed
    ? { head: ZSTD + ttl, body: packed.body, savedBytes: packed.savedBytes }
    : { head: PLAIN + ttl, body: value, savedBytes: 0 };
}

function pack(value: string, compressMinBytes: number): { body: Buffer; savedBytes: number } | undefined {
  // A character of UTF-16 is at most three bytes of UTF-8.
  if (compressMinBytes === 0 || value.length * 3 < compressMinBytes) return undefined;
  const text = Buffer.from(value);
  if (text.length < compressMinBytes) return undefined;
  const packed = compress(text);
  if (packed.length >= text.length) return undefined;
  return { body: packed, savedBytes: text.length - packed.length };
}

/**
 * Decodes an entry. `now` is the reader's time in epoch milliseconds.
 *
 * @returns undefined unless it belongs to the shard's generation; also when it cannot be read, be it damaged or written by a
 * later version: to this one it is a miss
 */
export function decodeEntry(raw: Buffer | null, generation: Buffer | null, now: number): Hit | undefined {
  if (!raw || !generation || raw.length < BODY_AT) return undefined;
  if (raw.compare(generation, 0, generation.length, 0, GENERATION_BYTES) !== 0) return undefined;
  const head = raw.toString('latin1', FLAGS_AT, BODY_AT);
  const text = decodeBody(head.charAt(0), raw.subarray(BODY_AT));
  if (!text) return undefined;
  const ttl = Number.parseInt(head.slice(TTL_AT - FLAGS_AT, EXPIRY_AT - FLAGS_AT), 36);
  const left = Math.ceil((Number(head.slice(EXPIRY_AT - FLAGS_AT)) - now) / 1000);
  return {
    value: text.toString(),
    bytes: text.length,
    // That it is there at all means that by the server's clock it is live.
    ttl: Math.max(1, Math.min(left, ttl)),
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
