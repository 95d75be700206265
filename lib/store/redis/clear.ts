import { BackendUnavailableError } from '../../errors.ts';
import type { Connection } from './connection/connection.ts';
import { evaluate } from './connection/send.ts';
import { PagingDeadline } from './deadlines.ts';
import type { Shard } from './keyspace.ts';
import { clear, reclaim } from './scripts/clear.ts';
import type { RemovalExecutor } from './wait-replicas.ts';

/** TTL of the trash, the list of a cleared shard's names, in milliseconds: longer than a clear may run. */
const TRASH_TTL_MS = 60_000;

/**
 * Removes all entries of a shard: makes them unreadable at once, at a constant cost, and then reclaims their memory page by page.
 *
 * @param id of this clear, unique
 * @param perScript see `removedPerScript`
 * @param deadlineEpochMs memory that is not reclaimed by then is freed by the entries' TTLs
 * @returns the number of live entries
 */
export async function clearShard(
  { connection, evaluate: evaluateRemoval }: RemovalExecutor,
  shard: Shard,
  id: string,
  perScript: number,
  deadlineEpochMs: number,
): Promise<number> {
  const trash = shard.trashKey(id);
  const deadline = new PagingDeadline(deadlineEpochMs, connection.profile);
  const count = await connection.run(
    (client) => evaluateRemoval(client, clear, [...shard.metaKeys, trash], [TRASH_TTL_MS]),
    { deadlineMonotonicMs: deadline.commandDeadlineMonotonicMs() },
  );
  await reclaimMemory(connection, shard, trash, perScript, deadline);
  return Number(count);
}

async function reclaimMemory(
  connection: Connection,
  shard: Shard,
  trash: string,
  perScript: number,
  deadline: PagingDeadline,
): Promise<void> {
  let page: Buffer[] = [];
  try {
    do {
      const keys = [shard.generation, trash, ...shard.entryKeys(page)];
      const args = [perScript, ...page];
      page = (await connection.run((client) => evaluate(client, reclaim, keys, args), {
        deadlineMonotonicMs: deadline.commandDeadlineMonotonicMs(),
      })) as Buffer[];
    } while (page.length > 0 && !deadline.hasPassed);
  } catch (error) {
    // The entries are unreadable already. Their TTLs free the rest of the memory.
    if (!(error instanceof BackendUnavailableError)) throw error;
  }
}
