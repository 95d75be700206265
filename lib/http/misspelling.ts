/**
 * Unknown members and query parameters are ignored, so that callers may send more than the service reads. A name that is nearly
 * a known one is rejected: if `{"TTL": 5}` were ignored, the value would silently get the default TTL.
 */

/** The rule in a sentence, for the OpenAPI document. */
export const MISSPELLING_RULE =
  'Unknown members are ignored, except misspellings: a name that differs from a known one only by case, by one letter, or by two letters of a name of five or more is rejected.';

/** @returns the known name that `name` is a misspelling of; undefined if `name` is known or resembles none */
export function misspelledName(name: string, known: readonly string[]): string | undefined {
  if (known.includes(name)) return undefined;
  return known.find((candidate) => resembles(name, candidate));
}

function resembles(name: string, known: string): boolean {
  // Two letters would be too many for short names: `url` and `ttl` differ by two.
  const mostEdits = known.length < 5 ? 1 : 2;
  if (Math.abs(name.length - known.length) > mostEdits) return false;
  return editDistance(name.toLowerCase(), known) <= mostEdits;
}

/** Returns the minimum number of edits: letters to insert, delete, replace or swap with a neighbour (optimal string alignment). */
function editDistance(a: string, b: string): number {
  let beforePrevious: number[] = [];
  let previous = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 1; row <= a.length; row++) {
    const current = [row];
    for (let column = 1; column <= b.length; column++) {
      const replaced = (previous[column - 1] ?? 0) + (a[row - 1] === b[column - 1] ? 0 : 1);
      const shifted = 1 + Math.min(previous[column] ?? 0, current[column - 1] ?? 0);
      const isSwap = row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1];
      const swapped = isSwap ? 1 + (beforePrevious[column - 2] ?? 0) : Number.POSITIVE_INFINITY;
      current.push(Math.min(replaced, shifted, swapped));
    }
    [beforePrevious, previous] = [previous, current];
  }
  return previous[b.length] ?? 0;
}
