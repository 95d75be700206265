import { BackendUnavailableError } from '../../errors.ts';
import type { Connection } from './connection/connection.ts';
import { evaluate } from './connection/evaluate.ts';
import type { Shard } from './keyspace.ts';
import { clear, sweep } from './scripts.ts';
import { TimeLeft } from './time-left.ts';
import type { Removals } from './wait-replicas.ts';

/** How long the list of a cleared shard's entries outlives the call that made it, in milliseconds: longer than it may run. */
const ASIDE_TTL_MS = 60_000;

/**
 * Entries whose memory one command gives back. It takes the server 5 µs for each, and with every shard's at once others' requests
 * wait behind sixteen such commands.
 */
const SWEPT_AT_ONCE = 100;

/**
 * Removes all of a shard's entries: unreadable at once, whatever their number; then their memory is given back page by page.
 *
 * @param id of this clear
 * @param deadline epoch milliseconds; memory that is not given back by then waits for the entries' own expiry
 * @returns how many entries were live
 */
export async function clearShard(
  removals: Removals,
  shard: Shard,
  id: string,
  deadline: number,
): Promise<number> {
  const aside = shard.aside(id);
  const { connection } = removals;
  const time = new TimeLeft(deadline, connection.profile);
  const count = await connection.run(
    (client) => removals.evaluate(client, clear, [...shard.helpers, aside], [ASIDE_TTL_MS]),
    { deadlineMonotonicMs: time.operationDeadline() },
  );
  await giveBackMemory(connection, shard, aside, time);
  return Number(count);
}

async function giveBackMemory(
  connection: Connection,
  shard: Shard,
  aside: string,
  time: TimeLeft,
): Promise<void> {
  let page: Buffer[] = [];
  try {
    do {
      const swept = page;
      const keys = [shard.generation, aside, ...shard.entries(swept)];
      page = (await connection.run((client) => evaluate(client, sweep, keys, [SWEPT_AT_ONCE, ...swept]), {
        deadlineMonotonicMs: time.operationDeadline(),
      })) as Buffer[];
    } while (page.length > 0 && !time.isOver);
  } catch (error) {
    // The shard is cleared already; what is left of it goes with its own expiry.
    if (!(error instanceof BackendUnavailableError)) throw error;
  }
}
