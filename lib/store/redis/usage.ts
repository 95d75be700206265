import type { Usage } from '../store.ts';
import type { Client } from './connection/client.ts';
import type { Connection } from './connection/connection.ts';
import { evaluate, sendTogether } from './connection/send.ts';
import type { Shard } from './keyspace.ts';
import { lengths, sample } from './scripts/usage.ts';

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
  const sampleCount = Math.ceil(SAMPLE_COUNT / shards.length);
  const measured = await measureShards(connection, shards, { exactCount: sampleCount, sampleCount });
  const { entries, bytes, sampled, missing } = measured;
  return { entries, bytes, sampled, missing };
}

interface MeasureOptions {
  /** A shard with more entries than this is sampled. */
  exactCount: number;
  /** The entries of a sampled shard that are measured. */
  sampleCount: number;
  /** By `performance.now()`. Default: the operation timeout from now. */
  deadlineMonotonicMs?: number;
}

/** Entries that one command measures: ElastiCache Serverless takes at most 3,999 arguments. */
const PAGE = 1000;

/** The usage of a tenant in these shards, and the sum of the bounds that their writers keep, see `storage-limits.ts`. */
export function measureShards(
  connection: Connection,
  shards: readonly Shard[],
  { exactCount, sampleCount, deadlineMonotonicMs }: MeasureOptions,
): Promise<Usage & { boundBytes: number }> {
  const measure = async (client: Client) => {
    const replies = await sendTogether(
      client,
      shards.map(
        (shard) => () => evaluate(client, sample, shard.metaKeys, [sampleCount, exactCount, Math.random()]),
      ),
    );
    const samples = replies.map((reply, index): Sample => {
      const [live, boundBytes = 0, ...names] = reply as [number, number, ...Buffer[]];
      return { live, boundBytes, keys: (shards[index] as Shard).entryKeys(names) };
    });
    // A command for each shard, since a cluster keeps them in different slots.
    const pages = samples.flatMap(({ keys }) =>
      Array.from({ length: Math.ceil(keys.length / PAGE) }, (_, page) =>
        keys.slice(page * PAGE, (page + 1) * PAGE),
      ),
    );
    const measured = await sendTogether(
      client,
      pages.map((page) => () => evaluate(client, lengths, page, []) as Promise<number[]>),
    );
    const boundBytes = samples.reduce((sum, each) => sum + each.boundBytes, 0);
    return { ...project(samples, measured.flat()), boundBytes };
  };
  return connection.run(measure, { deadlineMonotonicMs });
}

/** @param lengths of the sampled entries in bytes, in the order of the samples; 0 for a missing or emptied one */
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
