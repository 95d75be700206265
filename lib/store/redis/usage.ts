import type { Usage } from '../store.ts';
import type { Client } from './connection/client.ts';
import type { Connection } from './connection/connection.ts';
import { evaluate, sendTogether } from './connection/send.ts';
import type { Shard } from './keyspace.ts';
import { sample } from './scripts.ts';

/**
 * Sampled entries of all shards together. If the standard deviation of the lengths equals their mean, the standard error of the
 * estimate is 6 %.
 */
const SAMPLE_COUNT = 256;

/** The number of a shard's live entries, the bound of their bytes, and the keys of the sampled ones. */
interface Sample {
  live: number;
  boundBytes: number;
  keys: (string | Buffer)[];
}

/**
 * The usage of a tenant: entries are counted by the indexes, bytes are projected from a sample of each shard. Takes two round trips,
 * whatever the number of entries.
 */
export async function usageOf(connection: Connection, shards: readonly Shard[]): Promise<Usage> {
  const { entries, bytes, sampled, missing } = await measureShards(connection, shards);
  return { entries, bytes, sampled, missing };
}

/**
 * The usage of a tenant in these shards, and the sum of the bounds that their writers keep, see `storage-limits.ts`.
 *
 * @param deadlineMonotonicMs by `performance.now()`. Default: the operation timeout from now
 */
export function measureShards(
  connection: Connection,
  shards: readonly Shard[],
  deadlineMonotonicMs?: number,
): Promise<Usage & { boundBytes: number }> {
  const countPerShard = Math.ceil(SAMPLE_COUNT / shards.length);
  const measure = async (client: Client) => {
    const replies = await sendTogether(
      client,
      shards.map((shard) => () => evaluate(client, sample, shard.metaKeys, [countPerShard, Math.random()])),
    );
    const samples = replies.map((reply, index): Sample => {
      const [live, boundBytes = 0, ...names] = reply as [number, number, ...Buffer[]];
      return { live, boundBytes, keys: (shards[index] as Shard).entryKeys(names) };
    });
    const keys = samples.flatMap((each) => each.keys);
    const lengths = await sendTogether(
      client,
      keys.map((key) => () => client.strlen(key)),
    );
    const boundBytes = samples.reduce((sum, each) => sum + each.boundBytes, 0);
    return { ...project(samples, lengths), boundBytes };
  };
  return connection.run(measure, { deadlineMonotonicMs });
}

/** @param lengths of the sampled entries in bytes, in the order of the samples; 0 for a missing entry */
function project(samples: Sample[], lengths: number[]): Usage {
  const usage: Usage = { entries: 0, bytes: 0, sampled: lengths.length, missing: 0 };
  let from = 0;
  for (const { live, keys } of samples) {
    const own = lengths.slice(from, from + keys.length);
    from += keys.length;
    usage.entries += live;
    usage.missing += own.filter((length) => length === 0).length;
    if (own.length > 0) usage.bytes += (own.reduce((sum, length) => sum + length, 0) * live) / own.length;
  }
  return { ...usage, bytes: Math.round(usage.bytes) };
}
