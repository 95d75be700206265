import { pseudoRandom } from '../../support/random.ts';

/** A reproducible sequence of accesses with a realistic distribution. */
export interface Workload {
  /** The tenants, and the number of keys that each of them accesses. */
  tenants: readonly { name: string; keys: number }[];
  /** Size of every value's JSON text, in bytes. */
  valueBytes: number;
  seed: number;
}

/** One read of a key, followed by a set if it is a miss. */
export interface Access {
  tenant: string;
  key: string;
}

/** Exponent of the Zipf distribution of keys, as in YCSB. */
const SKEW = 0.99;

/**
 * Generates the accesses of a workload without end. A tenant's share is proportional to its number of keys, the share of its
 * n-th key to 1/n^0.99.
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

/** Returns the value of a key as JSON text of `bytes` bytes. */
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

/** Returns the first index whose cumulative sum is greater. */
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
