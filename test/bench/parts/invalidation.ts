import { compileGlob } from '../../../lib/store/glob.ts';
import { type BenchOptions, type Comparison, type Part, takeTurns } from '../part.ts';
import { type Populated, populate, type Tenant } from '../populated.ts';

const SCAN = 'SCAN MATCH + UNLINK';
const KEYS = 'KEYS + UNLINK';

/** A comparison with another method, with the data for plots. */
export interface InStore extends Comparison {
  /** Number of keys in the store, of all tenants. */
  storeKeys: number;
  /** Number of removed keys. */
  keysGone: number;
}

/** The cost of invalidating some keys of a tenant, in stores of increasing size. */
export const invalidation: Part = {
  name: 'invalidation',
  async run(options) {
    return [...(await underPrefix(options)), ...(await withoutPrefix(options))];
  },
};

async function underPrefix(options: BenchOptions): Promise<Comparison[]> {
  const tiny = options.size === 'tiny';
  const keys = groups(tiny ? 250 : 2_500, tiny ? 100 : 1_000);
  const tenant = { name: 'measured', keys, ...patternOf('user:1:*') };
  const count = keys.filter((key) => tenant.glob.matches(Buffer.from(key))).length;
  const totals = tiny ? [2_000, 4_000] : [10_000, 100_000, 1_000_000];
  const what = (total: number) => `invalidate ${inWords(count)} keys in a store of ${inWords(total)}`;
  return inStores(options, tenant, totals, async (stores) => {
    const measured = await everyWay(stores, options.rounds);
    const [least, ...larger] = measured as [Measured, ...Measured[]];
    const comparisons: (Comparison | InStore)[] = [];
    for (const [index, { total, ours }] of larger.entries()) {
      const goal = index === larger.length - 1 ? { atMost: 1.5 } : undefined;
      const anchor = `ours in a store of ${inWords(least.total)}`;
      comparisons.push({ what: what(total), anchor, unit: 'ms', ours, theirs: least.ours, goal });
    }
    for (const { total, ours, scan, keys } of measured) {
      const goal = total === 1_000_000 ? { atMost: 0.01 } : undefined;
      const row = { what: what(total), storeKeys: total, keysGone: count, unit: 'ms', ours };
      comparisons.push({ ...row, anchor: SCAN, theirs: scan, goal }, { ...row, anchor: KEYS, theirs: keys });
    }
    return comparisons;
  });
}

/** Durations of each method in a store with `total` keys, in milliseconds. One sample per round. */
interface Measured extends Record<Way, number[]> {
  total: number;
}

type Way = 'ours' | 'scan' | 'keys';

/** Measures all methods in all stores alternately in each round, so that both methods and stores can be compared. */
async function everyWay(stores: [total: number, store: Populated][], rounds: number): Promise<Measured[]> {
  const measured = stores.map(([total]): Measured => ({ total, ours: [], scan: [], keys: [] }));
  for (let round = 0; round < rounds; round++) {
    const turns = stores.flatMap(([, store], index) =>
      (['ours', 'scan', 'keys'] as const).map(
        (way) => async () => measured[index]?.[way].push(await store[way]()),
      ),
    );
    if (round % 2 === 1) turns.reverse();
    for (const turn of turns) await turn();
  }
  return measured;
}

async function withoutPrefix(options: BenchOptions): Promise<Comparison[]> {
  const tiny = options.size === 'tiny';
  const keys = groups(tiny ? 500 : 10_000, 100);
  const tenant = { name: 'measured', keys, ...patternOf('*:7?') };
  // The anchor's bare keys make the smallest store twice as large as the tenant.
  const totals = [2 * keys.length, tiny ? 4_000 : 1_000_000];
  const what = (total: number) =>
    `invalidate *:7? of ${inWords(keys.length)} keys in a store of ${inWords(total)}`;
  return inStores(options, tenant, totals, async (stores) => {
    const { rounds } = options;
    const [[leastTotal, least], [total, store]] = stores as [[number, Populated], [number, Populated]];
    const flat = await takeTurns(rounds, store.ours, least.ours);
    const scanned = await takeTurns(rounds, store.ours, store.scan);
    const anchor = `ours in a store of ${inWords(leastTotal)}`;
    return [
      { what: what(total), anchor, unit: 'ms', ...flat, goal: { atMost: 1.5 } },
      { what: what(total), anchor: SCAN, unit: 'ms', ...scanned },
    ];
  });
}

/** Runs `work` with stores of all sizes at the same time, so that they can be measured alternately. */
async function inStores(
  { say }: BenchOptions,
  tenant: Tenant,
  totals: number[],
  measure: (stores: [total: number, store: Populated][]) => Promise<Comparison[]>,
): Promise<Comparison[]> {
  const stores: [number, Populated][] = [];
  try {
    for (const total of totals) {
      say(`fills a store of ${inWords(total)}`);
      stores.push([total, await populate(tenant, total)]);
    }
    return await measure(stores);
  } finally {
    for (const [, store] of stores) await store.stop();
  }
}

function patternOf(pattern: string): Pick<Tenant, 'pattern' | 'glob'> {
  return { pattern, glob: compileGlob(pattern) };
}

/** Returns key names `user:<group>:<two digits or more>`. */
function groups(count: number, ofEach: number): string[] {
  return Array.from({ length: count }, (_, i) => {
    const item = String(i % ofEach).padStart(2, '0');
    return `user:${Math.floor(i / ofEach)}:${item}`;
  });
}

function inWords(count: number): string {
  if (count >= 1_000_000) return `${count / 1_000_000} M`;
  return count >= 10_000 ? `${count / 1_000} k` : count.toLocaleString('en-US');
}
