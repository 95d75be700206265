/**
 * Redis's glob. It is matched in the service and never sent to the backend: globs with hundreds of stars have blocked servers.
 *
 * As in Redis, the units are bytes. `?` matches one byte, `*` any number of bytes. `[a-z]` and `[^a-z]` match one byte, and a range may
 * be written in either order. `\` makes the next byte literal. An unclosed class ends with the pattern, and a backslash at the end of
 * the pattern is literal.
 *
 * A pattern is parsed into the segments between its stars. Each segment has a fixed length, so it is enough to find the leftmost match
 * of each: there is no backtracking.
 */
export interface Glob {
  readonly pattern: string;
  /** The bytes with which every match begins. */
  readonly prefix: Buffer;
  /** The only key that matches, if the pattern has no wildcard. */
  readonly literal: string | undefined;
  /** True for `*`: every key matches. */
  readonly all: boolean;
  /** Whether the whole key matches. For each star it takes at most a time linear in the length of the key. */
  matches(key: Uint8Array): boolean;
}

/** Matches one byte: that byte, or those of 256 bytes whose mark is 1. */
type Element = number | Uint8Array;

/** A part of the pattern without stars. */
interface Segment {
  elements: Element[];
  /** The text, if all elements are literal. */
  bytes: Buffer | undefined;
  /** Created when it is first needed. */
  scan?: Scan;
}

/** The state of a search for a segment by the Shift-And algorithm: bit sets with a bit for each element, in words of 32 bits. */
interface Scan {
  /** For each byte, the elements that it matches. */
  masks: Int32Array;
  /** Bit i is set if elements 0 to i match the last i + 1 bytes. */
  state: Int32Array;
}

const STAR = 0x2a;
const QUESTION_MARK = 0x3f;
const OPEN = 0x5b;
const CLOSE = 0x5d;
const BACKSLASH = 0x5c;
const CARET = 0x5e;
const HYPHEN = 0x2d;
const ANY = new Uint8Array(256).fill(1);

/** Compiles a pattern. Every string is valid. */
export function compileGlob(pattern: string): Glob {
  const segments = parse(Buffer.from(pattern));
  const first = segments[0] as Segment;
  const wildcard = first.elements.findIndex((element) => typeof element !== 'number');
  const prefix = Buffer.from(first.elements.slice(0, wildcard < 0 ? undefined : wildcard) as number[]);
  return {
    pattern,
    prefix,
    literal: segments.length === 1 ? first.bytes?.toString() : undefined,
    all: segments.length > 1 && segments.every(({ elements }) => elements.length === 0),
    matches: (key) => matches(segments, key),
  };
}

function matches(segments: Segment[], key: Uint8Array): boolean {
  const first = segments[0] as Segment;
  if (!matchesAt(first, key, 0)) return false;
  let from = first.elements.length;
  if (segments.length === 1) return from === key.length;

  // The first and the last segment match at the ends of the key. Those between them match at the leftmost possible index.
  const last = segments[segments.length - 1] as Segment;
  const end = key.length - last.elements.length;
  if (end < from || !matchesAt(last, key, end)) return false;
  for (let i = 1; i < segments.length - 1; i++) {
    const segment = segments[i] as Segment;
    const at = find(segment, key, from);
    from = at + segment.elements.length;
    if (at < 0 || from > end) return false;
  }
  return true;
}

function matchesAt({ elements }: Segment, key: Uint8Array, at: number): boolean {
  if (at + elements.length > key.length) return false;
  return elements.every((element, i) => {
    const byte = key[at + i] as number;
    return typeof element === 'number' ? element === byte : element[byte] === 1;
  });
}

function find(segment: Segment, key: Uint8Array, from: number): number {
  if (segment.bytes) {
    return Buffer.from(key.buffer, key.byteOffset, key.byteLength).indexOf(segment.bytes, from);
  }
  // Reads each byte once. Trying the segment at every index would take the product of both lengths.
  const { length } = segment.elements;
  segment.scan ??= scanFor(segment.elements);
  const { masks, state } = segment.scan;
  state.fill(0);
  for (let at = from; at < key.length; at++) {
    const row = (key[at] as number) * state.length;
    let carry = 1;
    for (let i = 0; i < state.length; i++) {
      const word = state[i] as number;
      state[i] = ((word << 1) | carry) & (masks[row + i] as number);
      carry = word >>> 31;
    }
    if ((state[state.length - 1] as number) & (1 << (length - 1))) return at - length + 1;
  }
  return -1;
}

function scanFor(elements: Element[]): Scan {
  const words = Math.ceil(elements.length / 32);
  const masks = new Int32Array(256 * words);
  for (const [i, element] of elements.entries()) {
    for (let byte = 0; byte < 256; byte++) {
      if (typeof element === 'number' ? element !== byte : element[byte] === 0) continue;
      const at = byte * words + (i >> 5);
      masks[at] = (masks[at] as number) | (1 << i);
    }
  }
  return { masks, state: new Int32Array(words) };
}

function parse(pattern: Buffer): Segment[] {
  const segments: Element[][] = [[]];
  let at = 0;
  while (at < pattern.length) {
    const byte = pattern[at++] as number;
    const elements = segments[segments.length - 1] as Element[];
    if (byte === STAR) {
      if (pattern[at] !== STAR) segments.push([]);
    } else if (byte === QUESTION_MARK) {
      elements.push(ANY);
    } else if (byte === OPEN) {
      const { marks, end } = parseClass(pattern, at);
      elements.push(marks);
      at = end;
    } else if (byte === BACKSLASH && at < pattern.length) {
      elements.push(pattern[at++] as number);
    } else {
      elements.push(byte);
    }
  }
  return segments.map((elements) => ({
    elements,
    bytes: elements.every((element) => typeof element === 'number') ? Buffer.from(elements) : undefined,
  }));
}

/** Parses a class that starts after its opening bracket. `end` is the index after its closing bracket. */
function parseClass(pattern: Buffer, start: number): { marks: Uint8Array; end: number } {
  const negated = pattern[start] === CARET;
  const marks = new Uint8Array(256).fill(negated ? 1 : 0);
  const mark = negated ? 0 : 1;
  let at = negated ? start + 1 : start;
  while (at < pattern.length && pattern[at] !== CLOSE) {
    const byte = pattern[at] as number;
    if (byte === BACKSLASH && at + 1 < pattern.length) {
      marks[pattern[at + 1] as number] = mark;
      at += 2;
    } else if (pattern[at + 1] === HYPHEN && at + 2 < pattern.length) {
      // Any byte after the hyphen ends the range, also a closing bracket.
      const other = pattern[at + 2] as number;
      marks.fill(mark, Math.min(byte, other), Math.max(byte, other) + 1);
      at += 3;
    } else {
      marks[byte] = mark;
      at += 1;
    }
  }
  return { marks, end: at + 1 };
}
