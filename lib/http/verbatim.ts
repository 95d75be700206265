/**
 * Takes the text of one member out of a JSON object before anything parses it, so that a cached value comes back as it was
 * sent: a parse and a re-print would turn `1.0` into `1`, round `12345678901234567890`, and merge two members of one name.
 */

export interface Lifted {
  /** The object's text with `0` in place of each text that was taken out. */
  rest: string;
  /** The texts taken out, without white space around them; more than one if the name stands there more than once. */
  texts: string[];
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COLON = 0x3a;
const COMMA = 0x2c;

/**
 * Lifts the value of every top-level member called `name` out of the text of a JSON object.
 *
 * It only finds where a value begins and ends, and judges nothing. But if `rest` and every one of `texts` are valid JSON, so
 * was the whole: JSON's grammar allows any value where it allows `0`.
 */
export function liftMember(json: string, name: string): Lifted {
  const texts: string[] = [];
  let rest = '';
  let copied = 0;
  let at = skipSpace(json, 0);
  if (json[at] !== '{') return { rest: json, texts };
  do {
    const nameStart = skipSpace(json, at + 1);
    if (json.charCodeAt(nameStart) !== QUOTE) break;
    const nameEnd = stringEnd(json, nameStart);
    const colon = skipSpace(json, nameEnd);
    if (json.charCodeAt(colon) !== COLON) break;
    const start = skipSpace(json, colon + 1);
    at = valueEnd(json, start);
    if (memberName(json.slice(nameStart, nameEnd)) === name) {
      texts.push(json.slice(start, at).trimEnd());
      rest += `${json.slice(copied, start)}0`;
      copied = at;
    }
  } while (json.charCodeAt(at) === COMMA);
  return { rest: rest + json.slice(copied), texts };
}

/** A name may be written with escapes; what is no valid string is left to the parser that reads the rest. */
function memberName(quoted: string): string | undefined {
  if (!quoted.includes('\\')) return quoted.slice(1, -1);
  try {
    return JSON.parse(quoted);
  } catch {
    return undefined;
  }
}

function skipSpace(json: string, from: number): number {
  let at = from;
  while (' \t\n\r'.includes(json[at] ?? '!')) at++;
  return at;
}

/** The index after the closing quote of the string that begins at `start`, or the text's end. */
function stringEnd(json: string, start: number): number {
  let quote = start;
  for (;;) {
    quote = json.indexOf('"', quote + 1);
    if (quote < 0) return json.length;
    let backslashes = 0;
    while (json.charCodeAt(quote - 1 - backslashes) === BACKSLASH) backslashes++;
    if (backslashes % 2 === 0) return quote + 1;
  }
}

/** The index of the comma or bracket that follows the value at `start`, or the text's end. */
function valueEnd(json: string, start: number): number {
  let depth = 0;
  let at = start;
  while (at < json.length) {
    switch (json.charCodeAt(at)) {
      case QUOTE:
        at = stringEnd(json, at);
        continue;
      case 0x5b: // [
      case 0x7b: // {
        depth++;
        break;
      case 0x5d: // ]
      case 0x7d: // }
        if (depth === 0) return at;
        depth--;
        break;
      case COMMA:
        if (depth === 0) return at;
        break;
    }
    at++;
  }
  return at;
}
