import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { newId } from '../../lib/store/id.ts';
import { decodeEntry, encodeEntry, GENERATION_BYTES } from '../../lib/store/redis/entry.ts';
import { anyCharacter } from '../support/characters.ts';

const NOW = 1_800_000_000_000;
const MAX_TTL = 315_360_000;
const generation = Buffer.from(newId());

const FLAGS_AT = GENERATION_BYTES;
/** Where the value begins. */
const BODY_AT = 31;

/** An entry as the server writes it: the generation, then the head, when it expires, and the body. */
function written(value: string, ttl: number, compressMinBytes = 0): Buffer {
  const { head, body } = encodeEntry({ value, ttlSeconds: ttl }, compressMinBytes);
  const expiry = String(NOW + ttl * 1000).padStart(13, '0');
  const prefix = Buffer.concat([generation, Buffer.from(head), Buffer.from(expiry)]);
  const bytes = Buffer.from(body);
  if (bytes[0] !== 0) return Buffer.concat([prefix, bytes]);
  prefix.copy(bytes);
  return bytes;
}

const ttls = fc.integer({ min: 1, max: MAX_TTL });
const texts = fc.oneof(
  fc.json(),
  fc.string({ unit: anyCharacter, size: 'large' }).map((text) => JSON.stringify(text)),
  fc
    .tuple(fc.string({ unit: 'grapheme', maxLength: 5 }), fc.nat({ max: 5000 }))
    .map(([unit, n]) => JSON.stringify(unit.repeat(n))),
);

describe('an entry', () => {
  test('decodes to its value and its TTL, compressed or not', () => {
    fc.assert(
      fc.property(texts, ttls, fc.constantFrom(0, 1, 100, 2048), (value, ttl, compressMinBytes) => {
        const bytes = Buffer.byteLength(value);
        const decoded = decodeEntry(written(value, ttl, compressMinBytes), generation, NOW);
        expect(decoded).toEqual({ hit: { value, bytes, ttl }, lease: undefined });
      }),
      { numRuns: 500 },
    );
  });

  test('brings room for what precedes its body from 4 kB on', () => {
    const lengthOf = (bytes: number, tags: string[] = []) =>
      encodeEntry({ value: 'x'.repeat(bytes), ttlSeconds: 1, tags }, 0).body.length;
    expect(lengthOf(4095)).toBe(4095);
    expect(lengthOf(4096)).toBe(BODY_AT + 4096);
    // 27 bytes of lease fields, the length of the tags in four digits, and the tags with their separator.
    expect(lengthOf(4096, ['a', 'é'])).toBe(BODY_AT + 27 + 4 + 4 + 4096);
  });

  test('without a body is a miss', () => {
    expect(decodeEntry(written('', 10), generation, NOW)).toBeUndefined();
  });

  test('is compressed from the given length on, if that makes it smaller', () => {
    const value = 'x'.repeat(1000);
    const lengthOf = (text: string, compressMinBytes: number) =>
      Buffer.byteLength(encodeEntry({ value: text, ttlSeconds: 1 }, compressMinBytes).body);
    expect(lengthOf(value, 1001)).toBe(1000);
    expect(lengthOf(value, 1000)).toBeLessThan(100);
    expect(lengthOf('é'.repeat(500), 1000)).toBeLessThan(100);
    expect(lengthOf(value, 0)).toBe(1000);
    expect(lengthOf('q7ZrT0xK', 1)).toBe(8);
  });

  test('decodes to the remaining seconds, rounded up', () => {
    const left = (ms: number) => decodeEntry(written('1', 10), generation, NOW + ms)?.hit?.ttl;
    expect([0, 1, 999, 1000, 1001, 8999, 9000, 9001, 9999].map(left)).toEqual([10, 10, 10, 9, 9, 2, 1, 1, 1]);
  });

  test("decodes to a TTL from 1 to the original, however wrong the reader's clock is", () => {
    fc.assert(
      fc.property(ttls, fc.integer({ min: -(10 ** 12), max: 10 ** 12 }), (ttl, error) => {
        const told = decodeEntry(written('1', ttl), generation, NOW + error)?.hit?.ttl;
        expect(told).toSatisfy(Number.isInteger);
        expect(told).toBeGreaterThanOrEqual(1);
        expect(told).toBeLessThanOrEqual(ttl);
      }),
    );
  });
});

describe('decoding returns a miss', () => {
  const entry = written('"value"', 60);

  test('without an entry or without a generation', () => {
    expect(decodeEntry(null, generation, NOW)).toBeUndefined();
    expect(decodeEntry(entry, null, NOW)).toBeUndefined();
    expect(decodeEntry(null, null, NOW)).toBeUndefined();
  });

  test('for an entry of another generation', () => {
    for (let byte = 0; byte < GENERATION_BYTES; byte++) {
      const other = Buffer.from(generation);
      other[byte] = (other[byte] as number) ^ 1;
      expect(decodeEntry(entry, other, NOW)).toBeUndefined();
    }
    for (const other of [
      Buffer.alloc(0),
      generation.subarray(0, GENERATION_BYTES - 1),
      Buffer.concat([generation, generation]),
    ]) {
      expect(decodeEntry(entry, other, NOW)).toBeUndefined();
    }
  });

  test('for an entry with unknown flags', () => {
    for (let flags = 0; flags < 256; flags++) {
      if ('01'.includes(String.fromCharCode(flags))) continue;
      const other = Buffer.from(entry);
      other[FLAGS_AT] = flags;
      expect(decodeEntry(other, generation, NOW)).toBeUndefined();
    }
  });

  test('for an entry that is shorter than its header', () => {
    for (let length = 0; length < BODY_AT; length++) {
      expect(decodeEntry(entry.subarray(0, length), generation, NOW)).toBeUndefined();
    }
  });

  test('for a compressed value that is truncated or damaged', () => {
    const value = JSON.stringify(Array.from({ length: 500 }, (_, index) => ({ index })));
    const whole = written(value, 60, 1);
    expect(whole.toString('latin1', FLAGS_AT, FLAGS_AT + 1)).toBe('1');
    for (const length of [BODY_AT, BODY_AT + 1, BODY_AT + 10, whole.length - 100, whole.length - 1]) {
      expect(decodeEntry(whole.subarray(0, length), generation, NOW)).toBeUndefined();
    }
    const damaged = Buffer.concat([whole.subarray(0, BODY_AT), Buffer.alloc(100, 0x55)]);
    expect(decodeEntry(damaged, generation, NOW)).toBeUndefined();
  });
});

test('an id is ASCII, has its length, and is unique', () => {
  const made = Array.from({ length: 10_000 }, newId);
  for (const id of made) expect(id).toMatch(/^[\w-]{11}$/);
  expect(new Set(made).size).toBe(made.length);
});
