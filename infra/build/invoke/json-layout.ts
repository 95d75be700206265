/** A token of valid JSON: a string, a bracket, a comma, a colon, a number or a word. */
const TOKEN = /"(?:[^"\\]|\\.)*"|[[\]{},:]|[^\s[\]{},:"]+/g;

/**
 * Indents JSON by two spaces per level and keeps the text of every string and number: `JSON.stringify` would print `1.0` as `1`.
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
    // An empty object or array stays on one line.
    if (opened !== closes && (opened || closes)) out += newline();
    opened = token === '[' || token === '{';
    if (opened) depth++;
    out += token === ':' ? ': ' : token;
    if (token === ',') out += newline();
  }
  return out;
}
