/** A string, a bracket, a comma or colon, or the rest: numbers and words. Of text that is known to be JSON. */
const TOKEN = /"(?:[^"\\]|\\.)*"|[[\]{},:]|[^\s[\]{},:"]+/g;

/**
 * Lays JSON out over lines, two spaces a level, and leaves every string and number as it is written: a parse and a re-print
 * would show `1` where the service says `1.0`.
 *
 * @param text valid JSON
 */
export function layOut(text: string): string {
  let out = '';
  let depth = 0;
  let opened = false;
  const newline = () => `\n${'  '.repeat(depth)}`;
  for (const [token] of text.matchAll(TOKEN)) {
    const closes = token === ']' || token === '}';
    if (closes) depth--;
    // An empty container stays on its line.
    if (opened !== closes && (opened || closes)) out += newline();
    opened = token === '[' || token === '{';
    if (opened) depth++;
    out += token === ':' ? ': ' : token;
    if (token === ',') out += newline();
  }
  return out;
}
