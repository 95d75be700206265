/**
 * A simple, slow implementation of Redis's glob patterns over bytes. It is independent of `lib/store/glob.ts`, so that the two can
 * be compared. `conformance/glob.test.ts` compares both with a server's.
 */

/** Whether a part of a pattern matches one byte of a key. */
type MatchesByte = (byte: number) => boolean;

const STAR = 'star';
type Token = MatchesByte | typeof STAR;

const code = (character: string) => character.charCodeAt(0);

/** Computes, for each part of the pattern in turn, which prefixes of the key the pattern up to that part matches. */
export function globMatches(pattern: string, key: string): boolean {
  const bytes = Buffer.from(key);
  // reached[n] is 1 if the parts so far match the first n bytes.
  let reached = new Uint8Array(bytes.length + 1);
  reached[0] = 1;
  for (const token of tokensOf(pattern)) {
    const first = reached.indexOf(1);
    if (first < 0) return false;
    if (token === STAR) {
      reached.fill(1, first);
      continue;
    }
    const next = new Uint8Array(reached.length);
    for (let n = first; n < bytes.length; n++) {
      if (reached[n] === 1 && token(bytes[n] as number)) next[n + 1] = 1;
    }
    reached = next;
  }
  return reached[bytes.length] === 1;
}

function tokensOf(pattern: string): Token[] {
  const bytes = [...Buffer.from(pattern)];
  const tokens: Token[] = [];
  for (let byte = bytes.shift(); byte !== undefined; byte = bytes.shift()) {
    if (byte === code('*')) {
      if (tokens.at(-1) !== STAR) tokens.push(STAR);
    } else if (byte === code('?')) tokens.push(() => true);
    else if (byte === code('[')) tokens.push(readClass(bytes));
    else {
      const plain = byte === code('\\') ? (bytes.shift() ?? byte) : byte;
      tokens.push((given) => given === plain);
    }
  }
  return tokens;
}

/** Parses a class and removes its bytes from the front. The opening bracket is already removed. An unclosed class ends with the pattern. */
function readClass(bytes: number[]): MatchesByte {
  const negated = bytes[0] === code('^');
  if (negated) bytes.shift();
  const ranges: [number, number][] = [];
  for (let byte = bytes.shift(); byte !== undefined && byte !== code(']'); byte = bytes.shift()) {
    if (byte === code('\\') && bytes.length > 0) byte = bytes.shift() as number;
    else if (bytes[0] === code('-') && bytes.length > 1) {
      const other = bytes[1] as number;
      bytes.splice(0, 2);
      ranges.push([Math.min(byte, other), Math.max(byte, other)]);
      continue;
    }
    ranges.push([byte, byte]);
  }
  return (given) => ranges.some(([low, high]) => given >= low && given <= high) !== negated;
}
