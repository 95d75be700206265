import { setImmediate } from 'node:timers/promises';
import type { CacheStore } from '../../../lib/store/store.ts';
import { type Backend, scanAndUnlink, startBackend, timed } from '../backend.ts';
import { type Comparison, median, type Part } from '../part.ts';
import { loadBare, loadTenant, oneOfEachShard } from '../tenant.ts';

const TENANT = 'measured';
const BARE = 'bare:';

/** Durations from the call on, in milliseconds. */
interface Cleared {
  /** Until reads miss, in every shard. */
  unreadable: number;
  /** Until it has returned and no key is left. */
  whole: number;
}

interface Samples {
  count: number;
  unreadable: number[];
  whole: number[];
  scan: number[];
}

/** The cost of clearing tenants of different sizes. */
export const clear: Part = {
  name: 'clear',
  async run({ size, rounds, say }) {
    const counts = size === 'tiny' ? [100, 1_000] : [1_000, 100_000, 1_000_000];
    const measured: Samples[] = counts.map((count) => ({ count, unreadable: [], whole: [], scan: [] }));
    const backend = await startBackend();
    try {
      const reader = await backend.openStore();
      await clearSome(backend, reader, counts[0] as number);
      for (let round = 0; round < rounds; round++) {
        say(`round ${round + 1} of ${rounds}`);
        for (const samples of measured) {
          const turns = [() => takeOurs(backend, reader, samples), () => takeScan(backend, samples)];
          if (round % 2 === 1) turns.reverse();
          for (const turn of turns) await turn();
        }
      }
    } finally {
      await backend.stop();
    }
    return compare(measured);
  },
};

function compare(measured: Samples[]): Comparison[] {
  const [least, ...larger] = measured as [Samples, ...Samples[]];
  const what = ({ count }: Samples) => `clear ${count.toLocaleString('en-US')} entries`;
  return [
    ...larger.map((samples) => ({
      what: `${what(samples)}, until reads miss`,
      anchor: `ours with ${least.count.toLocaleString('en-US')} entries`,
      unit: 'ms',
      ours: samples.unreadable,
      theirs: least.unreadable,
      goal: { atMost: 3 },
    })),
    ...measured.map((samples) => ({
      what: `${what(samples)}, until all memory is back`,
      anchor: 'SCAN MATCH + UNLINK, nothing else in the store',
      unit: 'ms',
      ours: samples.whole,
      theirs: samples.scan,
    })),
  ];
}

async function takeOurs(backend: Backend, reader: CacheStore, samples: Samples): Promise<void> {
  const cleared: Cleared[] = [];
  // Clearing a small tenant takes about a millisecond, so a sample is the median of several clears.
  const repeats = samples.count > 1_000 ? 1 : 5;
  while (cleared.length < repeats) cleared.push(await clearSome(backend, reader, samples.count));
  samples.unreadable.push(median(cleared.map(({ unreadable }) => unreadable)));
  samples.whole.push(median(cleared.map(({ whole }) => whole)));
}

async function takeScan(backend: Backend, { count, scan }: Samples): Promise<void> {
  await loadBare(backend, BARE, count);
  scan.push(await timed(count, () => scanAndUnlink(backend.raw, `${BARE}*`)));
}

async function clearSome(backend: Backend, reader: CacheStore, count: number): Promise<Cleared> {
  await loadTenant(backend, TENANT, count);
  const start = performance.now();
  const [whole, unreadable] = await Promise.all([
    timed(count, () => backend.store.clear(TENANT, Date.now() + 60_000)),
    untilUnreadable(reader, count).then((end) => end - start),
  ]);
  const left = await backend.raw.dbsize();
  if (left !== 0) throw new Error(`${left} keys of the cleared tenant are left`);
  return { unreadable, whole };
}

/** Reads entries of all shards on a separate connection until none is found. @returns that time by performance.now() */
async function untilUnreadable(reader: CacheStore, count: number): Promise<number> {
  const names = oneOfEachShard(TENANT, count);
  for (;;) {
    const hits = await Promise.all(names.map((name) => reader.get(TENANT, name)));
    const now = performance.now();
    if (hits.every((hit) => hit === undefined)) return now;
    await setImmediate();
  }
}
