/** Takes one byte of a key. */
type Takes = (byte: number) => boolean;

const STAR = 'star';
type Token = Takes | typeof STAR;

const code = (character: string) => character.charCodeAt(0);

/**
 * Redis's glob over bytes, as slow and as plain as can be: for every place in the pattern, which beginnings of the key it takes.
 */
export function globMatches(pattern: string, key: string): boolean {
  const bytes = Buffer.from(key);
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
    else if (byte === code('[')) tokens.push(takeClass(bytes));
    else {
      const plain = byte === code('\\') ? (bytes.shift() ?? byte) : byte;
      tokens.push((given) => given === plain);
    }
  }
  return tokens;
}

/** Takes a class off the front of what follows its opening bracket; one that is never closed ends with the pattern. */
function takeClass(bytes: number[]): Takes {
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
