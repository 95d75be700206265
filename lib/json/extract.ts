import { skipSpace } from './validate.ts';

/**
 * Extracts members from a JSON text without parsing them, so that a cached value is returned as it was sent. Parsing and serializing
 * would turn `1.0` into `1`, round `12345678901234567890`, and merge members with the same name.
 */

interface Extracted {
  /** The text with a number in place of each extracted value: its index in `rawValues`. */
  skeleton: string;
  /** The extracted JSON texts in order, unparsed and without white space around them. */
  rawValues: string[];
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COLON = 0x3a;
const COMMA = 0x2c;

/** The step of a path that leads to each item of an array. */
const EACH = '[]';

/**
 * Extracts the value of every member at a path. The path `value` selects the members of that name in the object; `items[].value` those
 * in each object of the array `items`. A path ends with a member's name.
 *
 * Values are delimited and not validated. The whole text is valid if the skeleton and every raw value are, since JSON's grammar allows
 * any value where it allows a number. If a name occurs more than once, a parser keeps the last one, in the skeleton as in the whole text.
 */
export function extractRaw(json: string, path: string): Extracted {
  return new Extractor(json, path.match(/\[\]|[^.[\]]+/g) ?? []).extract();
}

/** Reads a text once, from start to end. Each method returns the index at which it stopped. */
class Extractor {
  readonly #json: string;
  readonly #path: string[];
  readonly #rawValues: string[] = [];
  #skeleton = '';
  /** The text up to this index has been copied to the skeleton or the raw values. */
  #copied = 0;

  constructor(json: string, path: string[]) {
    this.#json = json;
    this.#path = path;
  }

  extract(): Extracted {
    this.#value(skipSpace(this.#json, 0), 0);
    return { skeleton: this.#skeleton + this.#json.slice(this.#copied), rawValues: this.#rawValues };
  }

  /** Reads the value at `start`, which the first `depth` steps of the path select, up to the comma or bracket after it. */
  #value(start: number, depth: number): number {
    const step = this.#path[depth];
    if (step === undefined) return this.#extractValue(start);
    if (this.#json[start] !== (step === EACH ? '[' : '{')) return skipValue(this.#json, start);
    let at = start;
    do {
      const item = skipSpace(this.#json, at + 1);
      at = step === EACH ? this.#value(item, depth + 1) : this.#member(item, step, depth);
    } while (this.#json.charCodeAt(at) === COMMA);
    return skipValue(this.#json, at + 1);
  }

  /** Reads a member of an object. Stops at anything else: the parser of the skeleton reports the error. */
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

  #extractValue(start: number): number {
    const end = skipValue(this.#json, start);
    this.#skeleton += `${this.#json.slice(this.#copied, start)}${this.#rawValues.length}`;
    this.#rawValues.push(this.#json.slice(start, spaceStart(this.#json, start, end)));
    this.#copied = end;
    return end;
  }
}

/** Decodes escapes in a name. Undefined for an invalid string, which the parser of the skeleton reports. */
function memberName(quoted: string): string | undefined {
  if (!quoted.includes('\\')) return quoted.slice(1, -1);
  try {
    return JSON.parse(quoted);
  } catch {
    return undefined;
  }
}

/** Where the white space before `end` begins. `trimEnd` would remove more characters than JSON's white space. */
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

/** The characters that matter within an array or object. */
const STRUCTURE = /["[\]{}]/g;

/** The index of the comma or bracket that follows the value at `start`, or the text's end. */
function skipValue(json: string, start: number): number {
  let depth = 0;
  let at = start;
  while (at < json.length) {
    if (depth > 0) {
      // For 700 kB of numbers, a regular expression is fifty times faster than a loop over their digits.
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
