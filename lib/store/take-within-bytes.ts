import type { Hit } from './store.ts';

/**
 * What `look` finds for each key, in order, until the values take more than `maxBytes` together; the first value is always in
 * it. No more than one value that is too much is ever made.
 */
export function firstWithin<Key>(
  maxBytes: number,
  keys: readonly Key[],
  look: (key: Key, index: number) => Hit | undefined,
): (Hit | undefined)[] {
  const hits: (Hit | undefined)[] = [];
  let before = 0;
  for (const [index, key] of keys.entries()) {
    const hit = look(key, index);
    const bytes = hit?.bytes ?? 0;
    if (before > 0 && before + bytes > maxBytes) break;
    before += bytes;
    hits.push(hit);
  }
  return hits;
}
