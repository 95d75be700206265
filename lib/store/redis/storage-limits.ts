import { BackendUnavailableError } from '../../errors.ts';
import { EVICT_TO_SHARE } from '../store.ts';
import type { Connection } from './connection/connection.ts';
import { type Argument, evaluate } from './connection/send.ts';
import type { Shard, ShardLimits } from './keyspace.ts';
import { evict, recordBytes } from './scripts/limits.ts';
import { measureShards } from './usage.ts';

/**
 * A tenant's limits of entries and bytes. Each shard holds its share of them, since a script can access one shard only.
 *
 * The set script counts entries by the expiry index. It does not know the bytes of a shard, only an upper bound: their bytes at the last
 * measurement, and all that was written since. When the bound exceeds the limit, the writer measures the shard by a sample. So writers
 * need not subtract what is removed, expires or is evicted, and a lost bound is only measured anew.
 *
 * Above a limit, the writer evicts the entries of the shard that expire soonest, but never those that it has just written: a set is always
 * accepted.
 */

/** A shard whose bytes are above this share of its limit is reduced to the lower one, so that at least 5 % are written between measurements. */
const MEASURED_ABOVE_SHARE = 0.95;
const FREE_TO_SHARE = 0.92;

/** Exact for most shards. With a sample alone, a few values that are much larger than the others would be missed. */
const SAMPLE = { exactCount: 4000, sampleCount: 1000 };

/** Entries that one command evicts. Others wait behind it: each entry takes 5 µs. */
const PAGE = 100;

/** Pages that one set evicts in each shard. If a limit was lowered, the next sets evict the rest. */
const MAX_PAGES = 10;

/** The part of the set script's reply about limits: whether to measure the bytes, then names and scores of what expires soonest. */
export type Excess = [mustMeasure: 0 | 1, ...Buffer[]];

/**
 * Evicts what exceeds the limits of a shard. The set has succeeded already, so this never rejects: what remains is left to the next set.
 *
 * @param written the keys that must remain
 * @param deadlineMonotonicMs by `performance.now()`
 * @returns the number of evicted entries
 */
export async function evictExcess(
  connection: Connection,
  shard: Shard,
  limits: ShardLimits,
  [mustMeasure, ...soonest]: Excess,
  written: ReadonlySet<string>,
  deadlineMonotonicMs: number,
  onError: (error: unknown) => void,
): Promise<number> {
  const run = (script: typeof evict, keys: (string | Buffer)[], args: Argument[]) =>
    connection.run((client) => evaluate(client, script, [...shard.metaKeys, ...keys], args), {
      deadlineMonotonicMs,
    });
  const kept = soonest.length > 0 ? Math.floor(EVICT_TO_SHARE * limits.maxEntries) : '';
  let total = 0;
  try {
    const measured = mustMeasure
      ? await measureShards(connection, [shard], { ...SAMPLE, deadlineMonotonicMs })
      : undefined;
    const bytes = measured?.bytes ?? 0;
    const isTooLarge = bytes > MEASURED_ABOVE_SHARE * limits.maxBytes;
    const bytesToFree = isTooLarge ? bytes - Math.floor(FREE_TO_SHARE * limits.maxBytes) : 0;
    let freedBytes = 0;
    let page = entriesOf(soonest, written);
    for (let count = 0; count < MAX_PAGES; count++) {
      // The first page of an eviction by bytes is empty.
      if (page.length === 0 && !(count === 0 && bytesToFree > 0)) break;
      const reply = await run(
        evict,
        page.map(({ name }) => shard.entryKey(name)),
        [
          kept,
          Math.max(0, bytesToFree - freedBytes),
          PAGE + written.size,
          ...page.flatMap(({ name, score }) => [name, score]),
        ],
      );
      const [evicted, freed, ...next] = reply as [number, number, ...Buffer[]];
      total += evicted;
      freedBytes += freed;
      page = entriesOf(next, written);
    }
    if (measured) await run(recordBytes, [], [measured.boundBytes, Math.max(0, bytes - freedBytes)]);
  } catch (error) {
    if (!(error instanceof BackendUnavailableError)) onError(error);
  }
  return total;
}

/** @param flat names and scores in turn */
function entriesOf(flat: readonly Buffer[], except: ReadonlySet<string>): { name: Buffer; score: Buffer }[] {
  const entries: { name: Buffer; score: Buffer }[] = [];
  for (let at = 0; at + 1 < flat.length; at += 2) {
    const [name, score] = [flat[at] as Buffer, flat[at + 1] as Buffer];
    if (!except.has(name.toString())) entries.push({ name, score });
  }
  return entries;
}
