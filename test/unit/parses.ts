/** Whether JavaScript's own parser takes a text for JSON: what our readers of JSON are held against. */
export function parses(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
