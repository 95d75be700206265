import { pseudoRandom } from '../../support/random.ts';

/** Who asks for what, in an order that looks like life and is the same in every run. */
export interface Workload {
  /** Tenants by name, and how many keys each of them asks for. */
  tenants: readonly { name: string; keys: number }[];
  /** Bytes of JSON text of every value. */
  valueBytes: number;
  seed: number;
}

/** One read of a cache, which is followed by a write where it is a miss. */
export interface Access {
  tenant: string;
  key: string;
}

/** How much more often a key is asked for than those behind it: as in YCSB. */
const SKEW = 0.99;

/**
 * The accesses of a workload, without an end. A tenant is asked for as often as it has keys, and of its keys the n-th as often
 * as 1/n^0.99.
 */
export function* accesses({ tenants, seed }: Workload): Generator<Access, never> {
  const random = pseudoRandom(seed);
  const whose = cumulative(tenants.map(({ keys }) => keys));
  const ranks = tenants.map(({ keys }) =>
    cumulative(Array.from({ length: keys }, (_, i) => (i + 1) ** -SKEW)),
  );
  for (;;) {
    const index = pick(whose, random());
    const { name } = tenants[index] as { name: string };
    yield { tenant: name, key: `item:${pick(ranks[index] as Float64Array, random())}` };
  }
}

/** The value of a key, as JSON text of so many bytes. */
export function textOf(key: string, bytes: number): string {
  return `"${key}:${FILLING}`.slice(0, bytes - 1).concat('"');
}

const FILLING = 'x'.repeat(4096);

function cumulative(weights: number[]): Float64Array {
  const sums = new Float64Array(weights.length);
  let sum = 0;
  for (const [index, weight] of weights.entries()) {
    sum += weight;
    sums[index] = sum;
  }
  return sums.map((value) => value / sum);
}

/** The first index whose sum lies above. */
function pick(sums: Float64Array, at: number): number {
  let low = 0;
  let high = sums.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((sums[middle] as number) > at) high = middle;
    else low = middle + 1;
  }
  return low;
}
