import type { Connection } from '../../backend/connection.ts';
import { BackendUnavailableError } from '../../errors.ts';
import { evaluate } from './evaluate.ts';
import { PAGE } from './invalidate.ts';
import type { Shard } from './keyspace.ts';
import { clear, sweep } from './scripts.ts';

/** How long the list of a cleared shard's entries outlives the call that made it, in milliseconds: longer than it may run. */
const ASIDE_TTL_MS = 60_000;

/**
 * Removes all of a shard's entries: unreadable at once, whatever their number; then their memory is given back page by page.
 *
 * @param id of this clear
 * @param deadline epoch milliseconds; memory that is not given back by then waits for the entries' own expiry
 * @returns how many entries were live
 */
export async function clearShard(
  connection: Connection,
  shard: Shard,
  id: string,
  deadline: number,
): Promise<number> {
  const { generation, expiryIndex, nameIndex } = shard;
  const aside = shard.aside(id);
  const count = await connection.run((client) =>
    evaluate(client, clear, [generation, expiryIndex, nameIndex, aside], [ASIDE_TTL_MS]),
  );
  await giveBackMemory(connection, shard, aside, deadline);
  return Number(count);
}

async function giveBackMemory(
  connection: Connection,
  shard: Shard,
  aside: string,
  deadline: number,
): Promise<void> {
  let page: Buffer[] = [];
  try {
    do {
      const swept = page;
      const keys = [shard.generation, aside, ...swept.map(shard.entry)];
      page = (await connection.run((client) => evaluate(client, sweep, keys, [PAGE, ...swept]))) as Buffer[];
    } while (page.length > 0 && Date.now() < deadline);
  } catch (error) {
    // The shard is cleared already; what is left of it goes with its own expiry.
    if (!(error instanceof BackendUnavailableError)) throw error;
  }
}
