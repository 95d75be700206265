import { constants, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import type { Hit } from '../store.ts';
import { GENERATION_BYTES } from './scripts.ts';

/**
 * How an entry is written, in bytes:
 *
 * | generation | flags | TTL in seconds | expiry in epoch milliseconds | body                    |
 * | ---------- | ----- | -------------- | ---------------------------- | ----------------------- |
 * | 8          | 1     | 4, big-endian  | 13 decimal digits            | JSON text, or its zstd  |
 *
 * The expiry is written by the server, by its own clock. A reader's clock may differ a little; with the TTL beside it, what a
 * reader reports never exceeds what was set.
 */
const FLAGS_AT = GENERATION_BYTES;
const TTL_AT = FLAGS_AT + 1;
const EXPIRY_AT = TTL_AT + 4;
const BODY_AT = EXPIRY_AT + 13;

const PLAIN = 0;
const ZSTD = 1;

/** Level 1: on JSON of embeddings higher ones take longer and gain nothing. */
const COMPRESSION = { params: { [constants.ZSTD_c_compressionLevel]: 1 } };

/** What stands before and after the expiry, which the server fills in. */
export interface EncodedEntry {
  head: Buffer;
  body: Buffer;
}

/** Encodes a value. From `compressMinBytes` on it is compressed, if that makes it smaller; 0 compresses nothing. */
export function encodeEntry(value: string, ttlSeconds: number, compressMinBytes: number): EncodedEntry {
  const text = Buffer.from(value);
  const packed =
    compressMinBytes > 0 && text.length >= compressMinBytes ? zstdCompressSync(text, COMPRESSION) : text;
  const [flags, body] = packed.length < text.length ? [ZSTD, packed] : [PLAIN, text];
  const head = Buffer.alloc(5);
  head.writeUInt8(flags, 0);
  head.writeUInt32BE(ttlSeconds, 1);
  return { head, body };
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
  const text = decodeBody(raw.readUInt8(FLAGS_AT), raw.subarray(BODY_AT));
  if (!text) return undefined;
  const left = Math.ceil((Number(raw.toString('latin1', EXPIRY_AT, BODY_AT)) - now) / 1000);
  return {
    value: text.toString(),
    // That it is there at all means that by the server's clock it is live.
    ttl: Math.max(1, Math.min(left, raw.readUInt32BE(TTL_AT))),
  };
}

function decodeBody(flags: number, body: Buffer): Buffer | undefined {
  if (flags === PLAIN) return body;
  if (flags !== ZSTD) return undefined;
  try {
    return zstdDecompressSync(body);
  } catch {
    return undefined;
  }
}
