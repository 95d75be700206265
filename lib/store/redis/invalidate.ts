import type { Glob } from '../glob.ts';
import type { Invalidation } from '../store.ts';
import { awaitAll } from './connection/send.ts';
import { PagingDeadline } from './deadlines.ts';
import type { Shard } from './keyspace.ts';
import { readNames, removeIndexed } from './scripts.ts';
import type { RemovalExecutor } from './wait-replicas.ts';

/** Names per page. With the keys of its entries, a script call has fewer than the 3,999 arguments that ElastiCache Serverless allows. */
const PAGE = 1000;

/**
 * Removes a shard's entries whose names match. Reads only the part of the name index that begins with the pattern's literal prefix.
 * The next page is read while the matches of the page before it are removed.
 */
export async function invalidateShard(
  removals: RemovalExecutor,
  shard: Shard,
  pattern: Glob,
  deadlineEpochMs: number,
): Promise<Invalidation> {
  const deadline = new PagingDeadline(deadlineEpochMs, removals.connection.profile);
  let count = 0;
  // The first two round trips share a deadline: an unreachable backend is reported within the timeout of one operation.
  let deadlineMonotonicMs = deadline.commandDeadlineMonotonicMs();
  let page = await readPage(removals, shard, startOf(pattern), pattern, deadlineMonotonicMs);
  for (;;) {
    const last = page.length < PAGE ? undefined : page[page.length - 1];
    const outOfTime = last !== undefined && deadline.hasPassed;
    const matching = page.filter((name) => pattern.matches(name));
    // Both are awaited even if one fails: an abandoned command would harm the connection later.
    const [removed, next] = await awaitAll([
      removeNames(removals, shard, matching, deadlineMonotonicMs),
      last === undefined || outOfTime
        ? []
        : readPage(removals, shard, after(last), pattern, deadlineMonotonicMs),
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
  { prefix }: Glob,
  deadlineMonotonicMs: number,
): Promise<Buffer[]> {
  // UTF-8 has no byte 0xFF, so every name with the prefix sorts before the prefix followed by that byte.
  const end = Buffer.concat([Buffer.from('('), prefix, Buffer.from([0xff])]);
  return (await connection.run((client) => evaluate(client, readNames, shard.metaKeys, [start, end, PAGE]), {
    deadlineMonotonicMs,
  })) as Buffer[];
}

async function removeNames(
  { connection, evaluate }: RemovalExecutor,
  shard: Shard,
  names: Buffer[],
  deadlineMonotonicMs: number,
): Promise<number> {
  if (names.length === 0) return 0;
  const keys = [...shard.metaKeys, ...shard.entryKeys(names)];
  return Number(
    await connection.run((client) => evaluate(client, removeIndexed, keys, names), { deadlineMonotonicMs }),
  );
}

/** Where to start in the name index: at the prefix, but always after the sentinel, which begins with a zero byte. */
function startOf({ prefix }: Glob): Buffer {
  return prefix[0] ? Buffer.concat([Buffer.from('['), prefix]) : Buffer.from('[\x01');
}

function after(name: Buffer): Buffer {
  return Buffer.concat([Buffer.from('('), name]);
}
