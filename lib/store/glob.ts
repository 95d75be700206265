/**
 * Redis's glob, matched in the service and never handed to a backend: globs with hundreds of stars have stopped servers.
 *
 * It works on bytes, as Redis does: `?` takes one byte, a class one of its bytes. `*` takes any number, `\` makes the next
 * byte plain, `[a-z]` and `[^a-z]` are classes in which a range may be written either way round. An unclosed class ends with
 * the pattern, and a backslash at the very end stands for itself.
 */
export interface Glob {
  /** The text that it was compiled from. */
  readonly pattern: string;
  /** The bytes that every match begins with. */
  readonly prefix: Buffer;
  /** The one key that matches, if the pattern has no wildcard. */
  readonly literal: string | undefined;
  /** True for `*`: every key matches. */
  readonly all: boolean;
  /** Whether the whole key matches. Takes time in the key's length for each star, whatever the pattern. */
  matches(key: Uint8Array): boolean;
}

/** What one byte of a key is held against: a byte, or 256 marks that say which bytes will do. */
type Element = number | Uint8Array;

/** What stands between two stars: it has a fixed length. With `bytes` if it is all plain. */
interface Segment {
  elements: Element[];
  bytes: Buffer | undefined;
  /** Made when it is first needed. */
  scan?: Scan;
}

/** What it takes to look for a segment, one bit for each of its elements, in words of 32. */
interface Scan {
  /** For each byte the elements that it will do for. */
  marks: Int32Array;
  /** The elements up to which the segment fits what was read last. */
  fitting: Int32Array;
}

const STAR = 0x2a;
const QUESTION_MARK = 0x3f;
const OPEN = 0x5b;
const CLOSE = 0x5d;
const BACKSLASH = 0x5c;
const CARET = 0x5e;
const HYPHEN = 0x2d;
const ANY = new Uint8Array(256).fill(1);

/** Compiles a pattern. Every string is one. */
export function compileGlob(pattern: string): Glob {
  const segments = parse(Buffer.from(pattern));
  const first = segments[0] as Segment;
  const plain = first.elements.findIndex((element) => typeof element !== 'number');
  const prefix = Buffer.from(first.elements.slice(0, plain < 0 ? undefined : plain) as number[]);
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

  // The first and the last segment stand at the key's ends. For those between them the leftmost place is as good as any,
  // since a star takes whatever is left; so nothing is ever tried twice.
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
  // Not place by place: a long segment would be held against the key anew at each of them. So every byte is read once.
  const { length } = segment.elements;
  segment.scan ??= scanFor(segment.elements);
  const { marks, fitting } = segment.scan;
  fitting.fill(0);
  for (let at = from; at < key.length; at++) {
    const row = (key[at] as number) * fitting.length;
    let carry = 1;
    for (let i = 0; i < fitting.length; i++) {
      const word = fitting[i] as number;
      fitting[i] = ((word << 1) | carry) & (marks[row + i] as number);
      carry = word >>> 31;
    }
    if ((fitting[fitting.length - 1] as number) & (1 << (length - 1))) return at - length + 1;
  }
  return -1;
}

function scanFor(elements: Element[]): Scan {
  const words = Math.ceil(elements.length / 32);
  const marks = new Int32Array(256 * words);
  for (const [i, element] of elements.entries()) {
    for (let byte = 0; byte < 256; byte++) {
      if (typeof element === 'number' ? element !== byte : element[byte] === 0) continue;
      const at = byte * words + (i >> 5);
      marks[at] = (marks[at] as number) | (1 << i);
    }
  }
  return { marks, fitting: new Int32Array(words) };
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

/** Reads a class from after its opening bracket; `end` is the index after its closing one. */
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
      // Whatever follows the hyphen ends the range, a closing bracket too.
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
