/**
 * Looks into the text of JSON that is known to be valid, without reading it into values: what the service must keep is its text.
 */

const TOKEN = /"(?:[^"\\]+|\\.)*"|[[\]{},:]|[^\s[\]{},:"]+/g;

/** What stands in an array or an object, one after the other. */
export interface Part {
  /** Of an object's member. */
  name?: string;
  /** Without white space around it. */
  text: string;
}

/** The elements of an array, or the members of an object, in order and each time that they are there. */
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

/** The texts of an object's members of one name. */
export function textsOf(parts: Part[], name: string): string[] {
  return parts.filter((part) => part.name === name).map(({ text }) => text);
}

/** What a parser might balk at, in a JSON text as a whole. */
export interface Oddities {
  /** The greatest number of brackets that are open at once. */
  depth: number;
  /** Whether it names a member by which objects of JavaScript have been attacked. */
  poisonous: boolean;
}

export function odditiesOf(json: string): Oddities {
  let [depth, open] = [0, 0];
  let poisonous = false;
  for (const { 0: token } of json.matchAll(TOKEN)) {
    if (token === '[' || token === '{') depth = Math.max(depth, ++open);
    else if (token === ']' || token === '}') open--;
    else if (token.startsWith('"')) poisonous ||= ['__proto__', 'constructor'].includes(JSON.parse(token));
  }
  return { depth, poisonous };
}
