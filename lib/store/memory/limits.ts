import { EVICT_TO_SHARE, type Item, type StorageLimits } from '../store.ts';
import { type Entries, type Entry, isPlaceholder } from './entries.ts';

/**
 * Evicts what expires soonest of a tenant that these items would bring above its limits. It evicts before the items are stored, because the
 * LRU would otherwise evict entries of other tenants for them.
 *
 * @returns the number of evicted entries
 */
export function makeRoom(
  allEntries: Entries,
  tenant: string,
  items: readonly Item[],
  { maxEntries = Number.POSITIVE_INFINITY, maxBytes = Number.POSITIVE_INFINITY }: StorageLimits,
): number {
  const partition = allEntries.partitionOf(tenant);
  if (!partition || Math.min(maxEntries, maxBytes) === Number.POSITIVE_INFINITY) return 0;
  const { values, entries } = partition;
  // What will be stored: the last item of each key, in place of the former entry.
  const added = new Map(items.map(({ key, value }) => [key, Buffer.byteLength(value)]));
  const replaced = [...added.keys()]
    .flatMap((key) => entries.get(key) ?? [])
    .filter((each) => !isPlaceholder(each));
  const sumOf = (sizes: Iterable<number>) => [...sizes].reduce((sum, bytes) => sum + bytes, 0);
  const addedCount = added.size - replaced.length;
  const addedBytes = sumOf(added.values()) - sumOf(replaced.map(({ bytes }) => bytes));
  const isAboveCount = () => values.count + addedCount > maxEntries;
  const isAboveBytes = () => values.bytes + addedBytes > maxBytes;
  if (!isAboveCount() && !isAboveBytes()) return 0;
  // What has expired counts until it is purged.
  for (const entry of entries.values()) if (!allEntries.isLive(entry)) allEntries.remove(entry);
  const keptCount = (isAboveCount() ? Math.floor(EVICT_TO_SHARE * maxEntries) : maxEntries) - addedCount;
  const keptBytes = (isAboveBytes() ? EVICT_TO_SHARE * maxBytes : maxBytes) - addedBytes;
  const isAbove = () => values.count > keptCount || values.bytes > keptBytes;
  const endOf = ({ expiryEpochMs, graceMs }: Entry) => expiryEpochMs + graceMs;
  let evicted = 0;
  while (isAbove()) {
    const others = [...entries.values()].filter((entry) => !added.has(entry.key) && !isPlaceholder(entry));
    if (others.length === 0) break;
    const meanBytes = Math.max(1, values.bytes / values.count);
    const needed = Math.max(values.count - keptCount, Math.ceil((values.bytes - keptBytes) / meanBytes), 1);
    // Numbers are sorted ten times as fast as entries.
    const ends = Float64Array.from(others, endOf).sort();
    const latestEnd = ends[Math.min(needed, ends.length) - 1] as number;
    for (const entry of others) {
      if (endOf(entry) > latestEnd || !isAbove()) continue;
      allEntries.remove(entry);
      evicted++;
    }
  }
  return evicted;
}
