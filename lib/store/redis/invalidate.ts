import type { Glob } from '../glob.ts';
import type { Invalidation } from '../store.ts';
import type { Shard } from './keyspace.ts';
import { names, removeIndexed } from './scripts.ts';
import { TimeLeft } from './time-left.ts';
import type { Removals } from './wait-replicas.ts';

/** Names a page: with its entries' keys, one script call stays below the 3,999 arguments that ElastiCache Serverless takes. */
const PAGE = 1000;

/**
 * Removes a shard's entries whose names match. Walks the part of the name index that lies under the pattern's literal prefix,
 * so that it costs what may match; each page is read while the matches of the one before it are removed.
 *
 * @param deadline epoch milliseconds
 */
export async function invalidateShard(
  removals: Removals,
  shard: Shard,
  pattern: Glob,
  deadline: number,
): Promise<Invalidation> {
  const time = new TimeLeft(deadline, removals.connection.profile);
  let count = 0;
  // One deadline for the first two round trips: a backend that is gone is reported within the time of one operation.
  let deadlineMonotonicMs = time.operationDeadline();
  let page = await readPage(removals, shard, firstOf(pattern), pattern, deadlineMonotonicMs);
  for (;;) {
    const last = page.length < PAGE ? undefined : page[page.length - 1];
    const outOfTime = last !== undefined && time.isOver;
    const matching = page.filter((name) => pattern.matches(name));
    // Both are awaited even when one fails: a command left behind would harm the connection later.
    const [removed, next] = await Promise.allSettled([
      removeNames(removals, shard, matching, deadlineMonotonicMs),
      last === undefined || outOfTime
        ? []
        : readPage(removals, shard, after(last), pattern, deadlineMonotonicMs),
    ]);
    if (removed.status === 'rejected') throw removed.reason;
    if (next.status === 'rejected') throw next.reason;
    count += removed.value;
    if (last === undefined || outOfTime) return { count, complete: !outOfTime };
    page = next.value;
    deadlineMonotonicMs = time.operationDeadline();
  }
}

async function readPage(
  { connection, evaluate }: Removals,
  shard: Shard,
  from: Buffer,
  { prefix }: Glob,
  deadlineMonotonicMs: number,
): Promise<Buffer[]> {
  // Names are UTF-8, which has no byte 0xFF: what begins with the prefix lies below the prefix and that byte.
  const to = Buffer.concat([Buffer.from('('), prefix, Buffer.from([0xff])]);
  return (await connection.run((client) => evaluate(client, names, shard.helpers, [from, to, PAGE]), {
    deadlineMonotonicMs,
  })) as Buffer[];
}

async function removeNames(
  { connection, evaluate }: Removals,
  shard: Shard,
  found: Buffer[],
  deadlineMonotonicMs: number,
): Promise<number> {
  if (found.length === 0) return 0;
  const keys = [...shard.helpers, ...shard.entries(found)];
  return Number(
    await connection.run((client) => evaluate(client, removeIndexed, keys, found), { deadlineMonotonicMs }),
  );
}

/** Where the walk begins. The sentinel, which begins with a byte 0, lies before it, also where the prefix begins like that. */
function firstOf({ prefix }: Glob): Buffer {
  return prefix[0] ? Buffer.concat([Buffer.from('['), prefix]) : Buffer.from('[\x01');
}

function after(name: Buffer): Buffer {
  return Buffer.concat([Buffer.from('('), name]);
}
