import type { Glob } from '../glob.ts';
import type { Invalidation } from '../store.ts';
import { awaitAll } from './connection/send.ts';
import { PagingDeadline } from './deadlines.ts';
import { type NameRange, nameRange, type Shard, startAfter, tagPrefix } from './keyspace.ts';
import type { Script } from './scripts/fragments.ts';
import { readNames } from './scripts/read.ts';
import { removeIndexed, removeTagged } from './scripts/remove.ts';
import type { RemovalExecutor } from './wait-replicas.ts';

/** Names per page that is read. */
const PAGE = 1000;

/** A part of a shard's name index, and what to do with its names. */
interface Walk {
  range: NameRange;
  /** Whether to remove the entry of a name. */
  matches(name: Buffer): boolean;
  /** Bytes of a name before its key. */
  keyAt: number;
  script: Script;
  /** Arguments of the script before the keys. */
  args: string[];
}

/**
 * Removes a shard's entries whose names match. Reads only the part of the name index that begins with the pattern's literal prefix.
 *
 * @param perScript see `removedPerScript`
 */
export function invalidateShard(
  removals: RemovalExecutor,
  shard: Shard,
  pattern: Glob,
  perScript: number,
  deadlineEpochMs: number,
): Promise<Invalidation> {
  const deadline = new PagingDeadline(deadlineEpochMs, removals.connection.profile);
  const walk = {
    range: nameRange(pattern.prefix),
    matches: (name: Buffer) => pattern.matches(name),
    keyAt: 0,
    script: removeIndexed,
    args: [],
  };
  return remove(removals, shard, walk, perScript, deadline);
}

/**
 * Removes a shard's entries that have one of the tags. Reads only the tags' parts of the name index, one after the other: the entries of the
 * first tag may be those of the others too, and are removed with all of their names.
 */
export async function invalidateTags(
  removals: RemovalExecutor,
  shard: Shard,
  tags: readonly string[],
  perScript: number,
  deadlineEpochMs: number,
): Promise<Invalidation> {
  const deadline = new PagingDeadline(deadlineEpochMs, removals.connection.profile);
  let count = 0;
  for (const tag of tags) {
    // Checked only if something was removed, so that a repeated call gets further than the tags that have no entries any more.
    if (count > 0 && deadline.hasPassed) return { count, complete: false };
    const walk = {
      range: nameRange(Buffer.alloc(0), tag),
      matches: () => true,
      keyAt: tagPrefix(tag).length,
      script: removeTagged,
      args: [tag],
    };
    const removed = await remove(removals, shard, walk, perScript, deadline);
    count += removed.count;
    if (!removed.complete) return { count, complete: false };
  }
  return { count, complete: true };
}

/**
 * Walks page by page, and removes the entries of each page in smaller ones. The next page is read while the last entries of the page before
 * it are removed.
 */
async function remove(
  { connection, evaluate }: RemovalExecutor,
  shard: Shard,
  { range, matches, keyAt, script, args }: Walk,
  perScript: number,
  deadline: PagingDeadline,
): Promise<Invalidation> {
  // The first two round trips share a deadline: an unreachable backend is reported within the timeout of one operation.
  let deadlineMonotonicMs = deadline.commandDeadlineMonotonicMs();
  const run = (script: Script, keys: (string | Buffer)[], args: (string | Buffer | number)[]) =>
    connection.run((client) => evaluate(client, script, [...shard.metaKeys, ...keys], args), {
      deadlineMonotonicMs,
    });
  const readPage = (start: Buffer) => run(readNames, [], [start, range.end, PAGE]) as Promise<Buffer[]>;
  const removePage = async (keys: Buffer[]) =>
    keys.length > 0 ? Number(await run(script, shard.entryKeys(keys), [...args, ...keys])) : 0;

  let count = 0;
  let page = await readPage(range.start);
  let matching = page.filter(matches);
  for (;;) {
    const names = matching.slice(0, perScript);
    matching = matching.slice(perScript);
    const last = page.length < PAGE ? undefined : page[page.length - 1];
    const complete = matching.length === 0 && last === undefined;
    const isOver = complete || deadline.hasPassed;
    // Both are awaited even if one fails: an abandoned command would harm the connection later.
    const [removed, next] = await awaitAll([
      removePage(names.map((name) => name.subarray(keyAt))),
      isOver || matching.length > 0 || !last ? undefined : readPage(startAfter(last, range)),
    ]);
    count += removed;
    if (isOver) return { count, complete };
    if (next) {
      page = next;
      matching = next.filter(matches);
    }
    deadlineMonotonicMs = deadline.commandDeadlineMonotonicMs();
  }
}
