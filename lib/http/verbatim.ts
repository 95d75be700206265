/**
 * Takes the text of one member out of a JSON object before anything parses it, so that a cached value comes back as it was
 * sent: a parse and a re-print would turn `1.0` into `1`, round `12345678901234567890`, and merge two members of one name.
 */

export interface Lifted {
  /** The object's text with `0` in place of each text that was taken out. */
  rest: string;
  /** What was taken out, in order; more than one if the name stands there more than once. */
  taken: JsonPiece[];
}

/** A piece of JSON text that nobody has parsed. */
export interface JsonPiece {
  /** Without white space around it. */
  text: string;
  /** How many arrays and objects it holds, itself included: what a parser of it would have to build. */
  containers: number;
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COLON = 0x3a;
const COMMA = 0x2c;

/**
 * Lifts the value of every top-level member called `name` out of the text of a JSON object.
 *
 * It only finds where a value begins and ends, and judges nothing. But if the rest and every piece are valid JSON, so was the
 * whole: JSON's grammar allows any value where it allows `0`.
 */
export function liftMember(json: string, name: string): Lifted {
  const lifted: Lifted = { rest: '', taken: [] };
  let copied = 0;
  let at = skipSpace(json, 0);
  if (json[at] !== '{') return { rest: json, taken: [] };
  do {
    const nameStart = skipSpace(json, at + 1);
    if (json.charCodeAt(nameStart) !== QUOTE) break;
    const nameEnd = stringEnd(json, nameStart);
    const colon = skipSpace(json, nameEnd);
    if (json.charCodeAt(colon) !== COLON) break;
    const start = skipSpace(json, colon + 1);
    const { end, containers } = skipValue(json, start);
    if (memberName(json.slice(nameStart, nameEnd)) === name) {
      lifted.taken.push({ text: json.slice(start, spaceStart(json, start, end)), containers });
      lifted.rest += `${json.slice(copied, start)}0`;
      copied = end;
    }
    at = end;
  } while (json.charCodeAt(at) === COMMA);
  lifted.rest += json.slice(copied);
  return lifted;
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

/** Where the white space before `end` begins. Not `trimEnd`, which takes more for white space than JSON does. */
function spaceStart(json: string, start: number, end: number): number {
  let at = end;
  while (at > start && ' \t\n\r'.includes(json.charAt(at - 1))) at--;
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

/** What matters inside of a container. */
const STRUCTURE = /["[\]{}]/g;

/** `end`: the index of the comma or bracket that follows the value at `start`, or the text's end. */
function skipValue(json: string, start: number): { end: number; containers: number } {
  let depth = 0;
  let containers = 0;
  let at = start;
  while (at < json.length) {
    if (depth > 0) {
      // The engine's own search is some fifty times faster than a loop over the digits of 700 kB of numbers.
      STRUCTURE.lastIndex = at;
      if (!STRUCTURE.test(json)) break;
      at = STRUCTURE.lastIndex - 1;
    }
    switch (json.charCodeAt(at)) {
      case QUOTE:
        at = stringEnd(json, at);
        continue;
      case 0x5b: // [
      case 0x7b: // {
        depth++;
        containers++;
        break;
      case 0x5d: // ]
      case 0x7d: // }
        if (depth === 0) return { end: at, containers };
        depth--;
        break;
      case COMMA:
        if (depth === 0) return { end: at, containers };
        break;
    }
    at++;
  }
  return { end: json.length, containers };
}
