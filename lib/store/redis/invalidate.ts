import type { Glob } from '../glob.ts';
import type { Invalidation } from '../store.ts';
import { type Argument, awaitAll } from './connection/send.ts';
import { PagingDeadline } from './deadlines.ts';
import { type Shard, tagPrefix } from './keyspace.ts';
import { readNames, removeIndexed, removeTagged, type Script } from './scripts.ts';
import type { RemovalExecutor } from './wait-replicas.ts';

/** Names per page. With the keys of its entries, a script call has fewer than the 3,999 arguments that ElastiCache Serverless allows. */
const PAGE = 1000;

/** A part of a shard's name index, and what to do with its names. */
interface Walk {
  /** What the names begin with. */
  prefix: Buffer;
  /** Where to start, in the syntax of ZRANGEBYLEX. */
  start: Buffer;
  /** Removes the entries of a page of names, as far as they match. @returns the number of live ones */
  remove(page: Buffer[], deadlineMonotonicMs: number): Promise<number>;
}

/** Removes a shard's entries whose names match. Reads only the part of the name index that begins with the pattern's literal prefix. */
export function invalidateShard(
  removals: RemovalExecutor,
  shard: Shard,
  pattern: Glob,
  deadlineEpochMs: number,
): Promise<Invalidation> {
  const remove: Walk['remove'] = (page, deadlineMonotonicMs) => {
    const matching = page.filter((name) => pattern.matches(name));
    const keys = [...shard.metaKeys, ...shard.entryKeys(matching)];
    return matching.length > 0
      ? run(removals, removeIndexed, keys, matching, deadlineMonotonicMs)
      : Promise.resolve(0);
  };
  return walk(removals, shard, { prefix: pattern.prefix, start: startOf(pattern), remove }, deadlineEpochMs);
}

/** Removes a shard's entries that have a tag. Reads only the tag's part of the name index. */
export function invalidateTag(
  removals: RemovalExecutor,
  shard: Shard,
  tag: string,
  deadlineEpochMs: number,
): Promise<Invalidation> {
  const prefix = Buffer.from(tagPrefix(tag));
  const remove: Walk['remove'] = (page, deadlineMonotonicMs) => {
    const names = page.map((name) => name.subarray(prefix.length));
    const keys = [...shard.metaKeys, ...shard.entryKeys(names)];
    return run(removals, removeTagged, keys, [tag, ...names], deadlineMonotonicMs);
  };
  const start = Buffer.concat([Buffer.from('['), prefix]);
  return walk(removals, shard, { prefix, start, remove }, deadlineEpochMs);
}

/** Walks page by page. The next page is read while the entries of the page before it are removed. */
async function walk(
  removals: RemovalExecutor,
  shard: Shard,
  { prefix, start, remove }: Walk,
  deadlineEpochMs: number,
): Promise<Invalidation> {
  const deadline = new PagingDeadline(deadlineEpochMs, removals.connection.profile);
  let count = 0;
  // The first two round trips share a deadline: an unreachable backend is reported within the timeout of one operation.
  let deadlineMonotonicMs = deadline.commandDeadlineMonotonicMs();
  let page = await readPage(removals, shard, start, prefix, deadlineMonotonicMs);
  for (;;) {
    const last = page.length < PAGE ? undefined : page[page.length - 1];
    const outOfTime = last !== undefined && deadline.hasPassed;
    // Both are awaited even if one fails: an abandoned command would harm the connection later.
    const [removed, next] = await awaitAll([
      page.length > 0 ? remove(page, deadlineMonotonicMs) : 0,
      last === undefined || outOfTime
        ? []
        : readPage(removals, shard, after(last), prefix, deadlineMonotonicMs),
    ]);
    count += removed;
    if (last === undefined || outOfTime) return { count, complete: !outOfTime };
    page = next;
    deadlineMonotonicMs = deadline.commandDeadlineMonotonicMs();
  }
}

async function readPage(
  { connection, evaluate }: RemovalExecutor,
  shard: Shard,
  start: Buffer,
  prefix: Buffer,
  deadlineMonotonicMs: number,
): Promise<Buffer[]> {
  // UTF-8 has no byte 0xFF, so every name with the prefix sorts before the prefix followed by that byte.
  const end = Buffer.concat([Buffer.from('('), prefix, Buffer.from([0xff])]);
  return (await connection.run((client) => evaluate(client, readNames, shard.metaKeys, [start, end, PAGE]), {
    deadlineMonotonicMs,
  })) as Buffer[];
}

async function run(
  { connection, evaluate }: RemovalExecutor,
  script: Script,
  keys: (string | Buffer)[],
  args: Argument[],
  deadlineMonotonicMs: number,
): Promise<number> {
  return Number(
    await connection.run((client) => evaluate(client, script, keys, args), { deadlineMonotonicMs }),
  );
}

/** Where to start in the name index: at the prefix, but always after the sentinel and the tags, which begin with control bytes. */
function startOf({ prefix }: Glob): Buffer {
  return prefix[0] && prefix[0] >= 0x20 ? Buffer.concat([Buffer.from('['), prefix]) : Buffer.from('[ ');
}

function after(name: Buffer): Buffer {
  return Buffer.concat([Buffer.from('('), name]);
}
