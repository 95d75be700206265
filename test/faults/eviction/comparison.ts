import { AUTO_SHARDS } from '../../../lib/config/config.ts';
import { shardsOf } from '../../../lib/store/redis/keyspace.ts';
import { emptyFigures, type Figures } from '../harness/figures.ts';
import type { Scenario } from '../harness/scenario.ts';
import { bareCache, type Cache, POLICIES, type Policy, serviceCache } from './caches.ts';
import { type Outcome, use } from './hit-rate.ts';
import type { Workload } from './workload.ts';

/** A value size, and the memory that a bare server needs for an entry of that size. */
interface Size {
  name: string;
  valueBytes: number;
  bareBytes: number;
  /**
   * Minimum hit rate, relative to the bare server's in the same memory. It is lower for small values: in Redis and Valkey an
   * entry's members of two sorted sets take as much memory as such an entry.
   */
  atLeast: number;
  /** Reduction of the minimum for a store so small that every tenth key is a helper key. */
  smallStore: number;
}

const SIZES: readonly Size[] = [
  { name: '1 kB', valueBytes: 1000, bareBytes: 1144, atLeast: 0.9, smallStore: 0.1 },
  { name: '100 B', valueBytes: 100, bareBytes: 232, atLeast: 0.75, smallStore: 0.25 },
];

/** Share of all entries that fit into a bare server. */
const FITTING_SHARE = 0.2;

/** Share of all keys that each tenant has: large, small and tiny tenants. */
const TENANTS = [0.5, 0.2, 0.1, 0.05, 0.05, 0.03, 0.02, ...Array<number>(10).fill(0.005)];

/** Maximum number of index members per stored entry. Members of evicted entries are removed with a delay. */
const MAX_MEMBERS_PER_ENTRY = 2;

/** Maximum share of accesses that may fail on a busy machine. With more failures the hit rate means nothing. */
const MAX_FAILED_SHARE = 0.1;

/** The service and a bare server with the same memory and the same accesses to five times as many entries as fit. */
export const comparisons: readonly Scenario[] = SIZES.flatMap((size) =>
  POLICIES.map((policy) => compare(policy, size)),
);

function compare(policy: Policy, size: Size): Scenario {
  return {
    name: `hit-rate-${policy}-${size.valueBytes}`,
    breaks: `\`${policy}\`, values of ${size.name}`,
    async run({ pick, log }) {
      const keys = pick(6000, 40_000);
      const tenants = TENANTS.slice(0, pick(3, TENANTS.length)).map((part, i) => ({
        name: `t${i}`,
        keys: Math.round(keys * part),
      }));
      const workload: Workload = { tenants, valueBytes: size.valueBytes, seed: 1 };
      const memory = keys * FITTING_SHARE * size.bareBytes;
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
      log(`bare: ${percent(bare)}`);
      let names = 0;
      let entries = 0;
      const ours = await measure(serviceCache, async ({ raw }) => {
        const shards = tenants.flatMap(({ name }) => shardsOf(name, AUTO_SHARDS));
        for (const { nameIndex } of shards) names += Math.max(0, (await raw.zcard(nameIndex)) - 1);
        entries = (await raw.dbsize()) - 3 * shards.length;
      });
      log(`ours: ${percent(ours)}`);
      return judge(size.atLeast - pick(size.smallStore, 0), bare, ours, names / entries);
    },
  };
}

function judge(atLeast: number, bare: Outcome, ours: Outcome, membersPerEntry: number): Figures {
  const figures = emptyFigures();
  const ratio = ours.hitRate / bare.hitRate;
  figures.requests = ours.accesses;
  figures.hits = ours.hits;
  figures.torn = ours.wrong;
  Object.assign(figures.notes, {
    bareHitRate: percent(bare),
    hitRate: percent(ours),
    ratio: Math.round(ratio * 1000) / 1000,
    membersPerEntry: Math.round(membersPerEntry * 100) / 100,
  });
  if (ours.failed > 0) figures.failures['503 BACKEND_UNAVAILABLE'] = ours.failed;
  const problems = [
    ...(ours.failed > MAX_FAILED_SHARE * ours.accesses
      ? [`${ours.failed} of ${ours.accesses} accesses failed`]
      : []),
    ...(ratio < atLeast
      ? [`the hit rate is ${ratio.toFixed(3)} of the bare server's, below the minimum of ${atLeast}`]
      : []),
    ...(membersPerEntry > MAX_MEMBERS_PER_ENTRY
      ? [`an index has ${membersPerEntry.toFixed(1)} members per entry`]
      : []),
  ];
  figures.unexplained = problems.length;
  figures.problems.push(...problems);
  return figures;
}

function percent({ hitRate }: Outcome): string {
  return `${(hitRate * 100).toFixed(1)} %`;
}
