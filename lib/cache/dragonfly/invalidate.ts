import type { Connection } from '../../backend/connection.ts';
import type { Glob } from '../glob.ts';
import type { Invalidation } from '../store.ts';
import { evaluate } from './evaluate.ts';
import type { Shard } from './keyspace.ts';
import { names, remove } from './scripts.ts';

/** Names a page: with its entries' keys, one script call stays below the 3,999 arguments that ElastiCache Serverless takes. */
export const PAGE = 1000;

/**
 * Removes a shard's entries whose names match. Walks the part of the name index that lies under the pattern's literal prefix,
 * so that it costs what may match; each page is read while the matches of the one before it are removed.
 *
 * @param deadline epoch milliseconds
 */
export async function invalidateShard(
  connection: Connection,
  shard: Shard,
  pattern: Glob,
  deadline: number,
): Promise<Invalidation> {
  let count = 0;
  let page = await readPage(connection, shard, firstOf(pattern), pattern);
  for (;;) {
    const last = page.length < PAGE ? undefined : page[page.length - 1];
    const outOfTime = last !== undefined && Date.now() >= deadline;
    const matching = page.filter((name) => pattern.matches(name));
    // Both are awaited even when one fails: a command left behind would harm the connection later.
    const [removed, next] = await Promise.allSettled([
      removeNames(connection, shard, matching),
      last === undefined || outOfTime ? [] : readPage(connection, shard, after(last), pattern),
    ]);
    if (removed.status === 'rejected') throw removed.reason;
    if (next.status === 'rejected') throw next.reason;
    count += removed.value;
    if (last === undefined || outOfTime) return { count, complete: !outOfTime };
    page = next.value;
  }
}

async function readPage(
  connection: Connection,
  shard: Shard,
  from: Buffer,
  { prefix }: Glob,
): Promise<Buffer[]> {
  const keys = [shard.generation, shard.expiryIndex, shard.nameIndex];
  // Names are UTF-8, which has no byte 0xFF: what begins with the prefix lies below the prefix and that byte.
  const to = Buffer.concat([Buffer.from('('), prefix, Buffer.from([0xff])]);
  return (await connection.run((client) => evaluate(client, names, keys, [from, to, PAGE]))) as Buffer[];
}

async function removeNames(connection: Connection, shard: Shard, found: Buffer[]): Promise<number> {
  if (found.length === 0) return 0;
  const keys = [shard.generation, shard.expiryIndex, shard.nameIndex, ...found.map(shard.entry)];
  return Number(await connection.run((client) => evaluate(client, remove, keys, found)));
}

/** Where the walk begins. The sentinel, an empty name, lies before it. */
function firstOf({ prefix }: Glob): Buffer {
  return prefix.length === 0 ? after(prefix) : Buffer.concat([Buffer.from('['), prefix]);
}

function after(name: Buffer): Buffer {
  return Buffer.concat([Buffer.from('('), name]);
}
