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
  for (let at = from; at + segment.elements.length <= key.length; at++) {
    if (matchesAt(segment, key, at)) return at;
  }
  return -1;
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
