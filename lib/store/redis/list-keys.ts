import type { Glob } from '../glob.ts';
import type { KeyFilter, KeyPage, ListedKey } from '../store.ts';
import type { Connection } from './connection/connection.ts';
import { evaluate, sendTogether } from './connection/send.ts';
import { PagingDeadline } from './deadlines.ts';
import { TAG_SEPARATOR } from './entry.ts';
import { type NameRange, nameRange, type Shard, startAfter, tagPrefix } from './keyspace.ts';
import { describeEntries, readNames } from './scripts/read.ts';

/**
 * Names that one command reads from a shard: an equal share of the page, half as many again, and some for small pages. Shards have different
 * numbers of the next keys, above all of numbered keys: of the first 1,000 of a million, one of 16 shards has 98 instead of 63. A shard that
 * runs out of names costs another round trip. A name that is read and not needed costs 0.3 µs.
 */
const namesPerShard = (limit: number, shards: number) => Math.ceil((1.5 * limit) / shards) + 16;

/** Largest number of names that one command reads. With the keys of its entries, a script call has at most 3,999 arguments. */
const MAX_NAMES = 1000;

/** The names that were read from a shard and are not listed yet. */
interface Cursor {
  shard: Shard;
  names: Buffer[];
  /** Where to continue, in the syntax of ZRANGEBYLEX. Undefined: all names have been read. */
  start: Buffer | undefined;
}

/**
 * Lists a page of a tenant's keys. The name indexes of the shards are in the order of bytes, so the page is merged from them. It reads about
 * as many names as the page has keys, or those under the pattern's literal prefix if few of them match.
 */
export async function listKeysOf(
  connection: Connection,
  shards: readonly Shard[],
  { pattern, tag, after, limit }: KeyFilter,
  deadlineEpochMs: number,
): Promise<KeyPage> {
  const deadline = new PagingDeadline(deadlineEpochMs, connection.profile);
  const tagged = tagPrefix(tag);
  const range = nameRange(pattern.prefix, tag);
  // Without a wildcard, the prefix is the only name.
  if (pattern.literal !== undefined) range.end = range.start;
  const start =
    after === undefined ? range.start : startAfter(Buffer.concat([tagged, Buffer.from(after)]), range);
  const cursors = shards.map((shard): Cursor => ({ shard, names: [], start }));
  const keys: ListedKey[] = [];
  let pending: Named[] = [];
  let last = after;
  let count = Math.min(MAX_NAMES, namesPerShard(limit, shards.length));
  for (;;) {
    if (pending.length === 0) {
      await fill(connection, cursors, range, count, deadline);
      // If few names match, more are read the next time.
      count = Math.min(MAX_NAMES, 2 * count);
      pending = takeInOrder(cursors, tagged.length);
      if (pending.length === 0) return { keys, next: undefined };
    }
    const { taken, matching } = takeMatching(pending, pattern, limit - keys.length);
    last = pending[taken - 1]?.name.toString();
    pending = pending.slice(taken);
    const described = await describe(connection, matching, tag, deadline);
    for (const [index, { name }] of matching.entries()) {
      const found = described[index];
      if (found) keys.push({ key: name.toString(), ...found });
    }
    const isOver = pending.length === 0 && cursors.every(({ names, start }) => names.length === 0 && !start);
    if (isOver) return { keys, next: undefined };
    if (keys.length === limit || deadline.hasPassed) return { keys, next: last };
  }
}

/** Takes names from the front until `count` of them match the pattern. @returns the number of names taken, and the matching ones */
function takeMatching(pending: Named[], pattern: Glob, count: number): { taken: number; matching: Named[] } {
  const matching: Named[] = [];
  let taken = 0;
  while (taken < pending.length && matching.length < count) {
    const named = pending[taken++] as Named;
    if (pattern.matches(named.name)) matching.push(named);
  }
  return { taken, matching };
}

/** Reads the next names of each shard whose names have all been taken. */
async function fill(
  connection: Connection,
  cursors: Cursor[],
  range: NameRange,
  count: number,
  deadline: PagingDeadline,
): Promise<void> {
  const empty = cursors.filter(({ names, start }) => names.length === 0 && start);
  if (empty.length === 0) return;
  const replies = (await connection.run(
    (client) =>
      sendTogether(
        client,
        empty.map(
          ({ shard, start }) =>
            () =>
              evaluate(client, readNames, shard.metaKeys, [start as Buffer, range.end, count]),
        ),
      ),
    { deadlineMonotonicMs: deadline.commandDeadlineMonotonicMs() },
  )) as Buffer[][];
  for (const [index, cursor] of empty.entries()) {
    cursor.names = replies[index] ?? [];
    const last = cursor.names.at(-1);
    cursor.start = last && cursor.names.length === count ? startAfter(last, range) : undefined;
  }
}

interface Named {
  shard: Shard;
  name: Buffer;
}

/** Takes the next names of all shards in order, until a shard has none left but may have more. @param skip bytes before the key */
function takeInOrder(cursors: Cursor[], skip: number): Named[] {
  const taken: Named[] = [];
  while (taken.length < MAX_NAMES) {
    let next: Cursor | undefined;
    for (const cursor of cursors) {
      const [name] = cursor.names;
      if (!name && cursor.start) return taken;
      if (name && (!next || name.compare(next.names[0] as Buffer) < 0)) next = cursor;
    }
    if (!next) return taken;
    taken.push({ shard: next.shard, name: (next.names.shift() as Buffer).subarray(skip) });
  }
  return taken;
}

/** @returns for each name its TTL and tags; undefined if there is no entry, or if it does not have the tag */
async function describe(
  connection: Connection,
  named: Named[],
  tag: string | undefined,
  deadline: PagingDeadline,
): Promise<(Omit<ListedKey, 'key'> | undefined)[]> {
  if (named.length === 0) return [];
  const groups = Map.groupBy(named.keys(), (index) => (named[index] as Named).shard);
  const replies = (await connection.run(
    (client) =>
      sendTogether(
        client,
        [...groups].map(([shard, indexes]) => () => {
          const entries = indexes.map((index) => shard.entryKey((named[index] as Named).name));
          return evaluate(client, describeEntries, [...shard.metaKeys, ...entries], []);
        }),
      ),
    { deadlineMonotonicMs: deadline.commandDeadlineMonotonicMs() },
  )) as (Buffer | number)[][];
  const described: (Omit<ListedKey, 'key'> | undefined)[] = new Array(named.length);
  for (const [group, indexes] of [...groups.values()].entries()) {
    for (const [at, index] of indexes.entries()) {
      const leftMs = Number(replies[group]?.[2 * at]);
      const tags = String(replies[group]?.[2 * at + 1])
        .split(TAG_SEPARATOR)
        .filter(Boolean);
      if (leftMs < 0 || (tag !== undefined && !tags.includes(tag))) continue;
      described[index] = { ttl: Math.ceil(leftMs / 1000), tags };
    }
  }
  return described;
}
