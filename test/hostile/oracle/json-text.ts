/**
 * Splits valid JSON into its parts without parsing values, because the service must return the text of a value unchanged.
 */

const TOKEN = /"(?:[^"\\]+|\\.)*"|[[\]{},:]|[^\s[\]{},:"]+/g;

/** An element of an array or a member of an object. */
export interface Part {
  /** Name of the member. Undefined for an element. */
  name?: string;
  /** JSON text of the value, without surrounding white space. */
  text: string;
}

/** Returns the elements of an array or the members of an object in order, including repeated members. */
export function partsOf(json: string): Part[] {
  const parts: Part[] = [];
  const isObject = json.trimStart().startsWith('{');
  let depth = 0;
  let name: string | undefined;
  let start = -1;
  let end = -1;
  const finish = () => {
    if (start >= 0) parts.push({ ...(name !== undefined && { name }), text: json.slice(start, end) });
    name = undefined;
    start = -1;
  };
  for (const { 0: token, index } of json.matchAll(TOKEN)) {
    if (token === ']' || token === '}') depth--;
    if (depth === 1 && token === ',') finish();
    else if (depth === 1 && token === ':' && isObject && name === undefined) {
      name = JSON.parse(json.slice(start, end)) as string;
      start = -1;
    } else if (depth > 0) {
      if (start < 0) start = index;
      end = index + token.length;
    }
    if (token === '[' || token === '{') depth++;
  }
  finish();
  return parts;
}

/** Returns the texts of all members with a name. */
export function textsOf(parts: Part[], name: string): string[] {
  return parts.filter((part) => part.name === name).map(({ text }) => text);
}

/** Properties of a JSON text that may make a parser reject it. */
export interface JsonTraits {
  /** Maximum nesting depth. */
  depth: number;
  /** Whether a string in it is `__proto__` or `constructor`, which prototype pollution uses. */
  pollutes: boolean;
}

export function inspectJson(json: string): JsonTraits {
  let [depth, open] = [0, 0];
  let pollutes = false;
  for (const { 0: token } of json.matchAll(TOKEN)) {
    if (token === '[' || token === '{') depth = Math.max(depth, ++open);
    else if (token === ']' || token === '}') open--;
    else if (token.startsWith('"')) pollutes ||= ['__proto__', 'constructor'].includes(JSON.parse(token));
  }
  return { depth, pollutes };
}
