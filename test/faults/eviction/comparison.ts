import { shardsOf } from '../../../lib/store/redis/keyspace.ts';
import { type Figures, noFigures } from '../harness/figures.ts';
import type { Scenario } from '../harness/scenario.ts';
import { bareCache, type Cache, POLICIES, type Policy, serviceCache } from './caches.ts';
import { type Outcome, use } from './hit-rate.ts';
import type { Workload } from './workload.ts';

/** Values of one size, and what a bare server takes for an entry of it. */
interface Size {
  name: string;
  valueBytes: number;
  bareBytes: number;
  /**
   * What the hit rate must be, as a part of the bare server's in as much memory. Of small values Redis and Valkey keep fewer:
   * an entry's names in two sorted sets take as much as such an entry.
   */
  atLeast: number;
  /** By how much less in a store so small that every tenth key is one of the service's own. */
  smallStore: number;
}

const SIZES: readonly Size[] = [
  { name: '1 kB', valueBytes: 1000, bareBytes: 1144, atLeast: 0.9, smallStore: 0.1 },
  { name: '100 B', valueBytes: 100, bareBytes: 232, atLeast: 0.75, smallStore: 0.25 },
];

/** The part of all entries that a bare server has room for. */
const ROOM = 0.2;

/** Large, small and tiny: how many of all keys each tenant has. */
const TENANTS = [0.5, 0.2, 0.1, 0.05, 0.05, 0.03, 0.02, ...Array<number>(10).fill(0.005)];

/** The shards that a tenant's entries are spread over, unless the service is told otherwise. */
const SHARDS = 16;

/** Names in an index, by the entries that are there: those that were evicted are found again, but not at once. */
const NAMES_AN_ENTRY = 2;

/** Of all accesses, how many a busy machine may keep from being answered: of more than that a hit rate says nothing. */
const UNANSWERED = 0.1;

/** The service and a bare server with the same memory and the same callers, who ask for five times as much as fits. */
export const comparisons: readonly Scenario[] = SIZES.flatMap((size) =>
  POLICIES.map((policy) => compare(policy, size)),
);

function compare(policy: Policy, size: Size): Scenario {
  return {
    name: `hit-rate-${policy}-${size.valueBytes}`,
    breaks: `\`${policy}\`, values of ${size.name}`,
    async run({ pick, say }) {
      const keys = pick(6000, 40_000);
      const tenants = TENANTS.slice(0, pick(3, TENANTS.length)).map((part, i) => ({
        name: `t${i}`,
        keys: Math.round(keys * part),
      }));
      const workload: Workload = { tenants, valueBytes: size.valueBytes, seed: 1 };
      const memory = keys * ROOM * size.bareBytes;
      const measure = async (
        make: typeof bareCache,
        look: (cache: Cache) => Promise<void> = async () => {},
      ) => {
        const cache = await make(policy, memory);
        try {
          const outcome = await use(cache, workload, 2 * keys, keys);
          await look(cache);
          return outcome;
        } finally {
          await cache.stop();
        }
      };
      const bare = await measure(bareCache);
      say(`bare: ${percent(bare)}`);
      let names = 0;
      let entries = 0;
      const ours = await measure(serviceCache, async ({ raw }) => {
        const shards = tenants.flatMap(({ name }) => shardsOf(name, SHARDS));
        for (const { nameIndex } of shards) names += Math.max(0, (await raw.zcard(nameIndex)) - 1);
        entries = (await raw.dbsize()) - 3 * shards.length;
      });
      say(`ours: ${percent(ours)}`);
      return judge(size.atLeast - pick(size.smallStore, 0), bare, ours, names / entries);
    },
  };
}

function judge(atLeast: number, bare: Outcome, ours: Outcome, namesAnEntry: number): Figures {
  const figures = noFigures();
  const ratio = ours.hitRate / bare.hitRate;
  figures.requests = ours.accesses;
  figures.hits = ours.hits;
  figures.torn = ours.wrong;
  Object.assign(figures.notes, {
    bareHitRate: percent(bare),
    hitRate: percent(ours),
    ratio: Math.round(ratio * 1000) / 1000,
    namesAnEntry: Math.round(namesAnEntry * 100) / 100,
  });
  if (ours.unanswered > 0) figures.failures['503 BACKEND_UNAVAILABLE'] = ours.unanswered;
  const problems = [
    ...(ours.unanswered > UNANSWERED * ours.accesses
      ? [`${ours.unanswered} of ${ours.accesses} accesses were not answered`]
      : []),
    ...(ratio < atLeast
      ? [`the hit rate is ${ratio.toFixed(3)} of the bare server's, and not ${atLeast}`]
      : []),
    ...(namesAnEntry > NAMES_AN_ENTRY
      ? [`an index has ${namesAnEntry.toFixed(1)} names for each entry`]
      : []),
  ];
  figures.unexplained = problems.length;
  figures.problems.push(...problems);
  return figures;
}

function percent({ hitRate }: Outcome): string {
  return `${(hitRate * 100).toFixed(1)} %`;
}
