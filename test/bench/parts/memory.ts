import type { Redis } from 'ioredis';
import { AUTO_SHARDS } from '../../../lib/config/config.ts';
import { byShard } from '../../../lib/store/redis/keyspace.ts';
import { type Backend, inBatches, startBackend, TTL_SECONDS } from '../backend.ts';
import { type Comparison, type Part, takeTurns } from '../part.ts';
import { memoryOf } from '../server-cost.ts';
import { embeddingsJson, recordsJson } from '../values.ts';

const TENANT = 'measured';

/** The results differ only by some bytes, so more rounds would not improve them. */
const MAX_ROUNDS = 2;

/** The server's memory per entry, including the indexes. */
export const memory: Part = {
  name: 'memory',
  async run({ size, rounds, say }) {
    const count = size === 'tiny' ? 500 : 20_000;
    const values = [
      { what: 'an entry of 100 B', text: recordsJson(100) },
      { what: 'an entry of 1 kB', text: recordsJson(1_000) },
      { what: 'an entry of 17 kB of embeddings', text: embeddingsJson(17_000), goal: { atMost: 1 } },
    ];
    const backend = await startBackend();
    try {
      // Run once before the measurement: memory that the server allocates permanently, such as scripts and buffers, does not belong to an entry.
      await ours(backend, values[0]?.text ?? '', 100);
      const comparisons: Comparison[] = [];
      for (const { what, text, goal } of values) {
        say(what);
        const samples = await takeTurns(
          Math.min(rounds, MAX_ROUNDS),
          () => ours(backend, text, count),
          () => bare(backend, text, count),
        );
        comparisons.push({
          what: `memory of ${what}`,
          anchor: 'bare SET of the same text, key as long',
          unit: 'bytes',
          ...samples,
          goal,
        });
      }
      return comparisons;
    } finally {
      await backend.stop();
    }
  },
};

const nameOf = (index: number) => `item:${String(index).padStart(5, '0')}`;

function ours({ raw, store }: Backend, text: string, count: number): Promise<number> {
  return bytesEach(raw, count, (i) => store.set(TENANT, nameOf(i), text, TTL_SECONDS));
}

function bare({ raw }: Backend, text: string, count: number): Promise<number> {
  return bytesEach(raw, count, (i) => {
    const [placed] = byShard(TENANT, [nameOf(i)], (name) => name, AUTO_SHARDS);
    const key = String(placed?.shard.entryKey(nameOf(i))).replace('cache', 'plain');
    return raw.set(key, text, 'EX', TTL_SECONDS);
  });
}

async function bytesEach(
  raw: Redis,
  count: number,
  load: (index: number) => Promise<unknown>,
): Promise<number> {
  return (await memoryOf(raw, () => inBatches(count, load))) / count;
}
