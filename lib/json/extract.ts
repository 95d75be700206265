/**
 * Takes the text of members out of a JSON text before anything parses it, so that a cached value comes back as it was
 * sent: a parse and a re-print would turn `1.0` into `1`, round `12345678901234567890`, and merge two members of one name.
 */

export interface Lifted {
  /** The text with a number in place of each text that was taken out: its index among those. */
  rest: string;
  /** What was taken out, in order: pieces of JSON text that nobody has parsed, without white space around them. */
  taken: string[];
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COLON = 0x3a;
const COMMA = 0x2c;

/** The step of a path that leads to each item of an array. */
const EACH = '[]';

/**
 * Lifts the value of every member that a path leads to: `value` to those of that name in the object that the text is,
 * `items[].value` to those in each object of the array `items`. A path ends with a member's name.
 *
 * It only finds where a value begins and ends, and judges nothing. But if the rest and every piece are valid JSON, so was the
 * whole: JSON's grammar allows any value where it allows a number. And where a name stands more than once, a parser of the
 * rest is left with the number of the piece that a parser of the whole would have been left with.
 */
export function liftMember(json: string, path: string): Lifted {
  return new Lifter(json, path.match(/\[\]|[^.[\]]+/g) ?? []).lift();
}

/** A walk over a text, from its start to its end. Each step returns the index at which the next one begins. */
class Lifter {
  readonly #json: string;
  readonly #path: string[];
  readonly #taken: string[] = [];
  #rest = '';
  /** Up to where the text is in the rest or taken. */
  #copied = 0;

  constructor(json: string, path: string[]) {
    this.#json = json;
    this.#path = path;
  }

  lift(): Lifted {
    this.#value(skipSpace(this.#json, 0), 0);
    return { rest: this.#rest + this.#json.slice(this.#copied), taken: this.#taken };
  }

  /** Passes the value at `start`, to which the first `depth` steps of the path lead, up to the comma or bracket after it. */
  #value(start: number, depth: number): number {
    const step = this.#path[depth];
    if (step === undefined) return this.#take(start);
    if (this.#json[start] !== (step === EACH ? '[' : '{')) return skipValue(this.#json, start);
    let at = start;
    do {
      const item = skipSpace(this.#json, at + 1);
      at = step === EACH ? this.#value(item, depth + 1) : this.#member(item, step, depth);
    } while (this.#json.charCodeAt(at) === COMMA);
    return skipValue(this.#json, at + 1);
  }

  /** Passes a member of an object; stays where it is at what is none, which the parser of the rest will find too. */
  #member(nameStart: number, wanted: string, depth: number): number {
    const json = this.#json;
    if (json.charCodeAt(nameStart) !== QUOTE) return nameStart;
    const nameEnd = stringEnd(json, nameStart);
    const colon = skipSpace(json, nameEnd);
    if (json.charCodeAt(colon) !== COLON) return colon;
    const start = skipSpace(json, colon + 1);
    if (memberName(json.slice(nameStart, nameEnd)) !== wanted) return skipValue(json, start);
    return this.#value(start, depth + 1);
  }

  #take(start: number): number {
    const end = skipValue(this.#json, start);
    this.#rest += `${this.#json.slice(this.#copied, start)}${this.#taken.length}`;
    this.#taken.push(this.#json.slice(start, spaceStart(this.#json, start, end)));
    this.#copied = end;
    return end;
  }
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

/** The index of the comma or bracket that follows the value at `start`, or the text's end. */
function skipValue(json: string, start: number): number {
  let depth = 0;
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
  return json.length;
}
