/** How much a run measures. `tiny` only checks that everything works. */
export type Size = 'full' | 'tiny';

export interface BenchOptions {
  size: Size;
  /** Number of rounds. In each, ours and the anchor are measured once. */
  rounds: number;
  /** Prints a line about the progress. */
  say(line: string): void;
}

/** A comparison of the service with an anchor, measured alternately. */
export interface Comparison {
  /** What is measured, such as `get of 1 kB, warm`. */
  what: string;
  /** What the service is compared with, such as `bare ioredis GET`. */
  anchor: string;
  /** Unit of the samples: `µs`, `ms`, `requests/s`, `bytes`. */
  unit: string;
  /** One sample per round. Samples of the same round have the same index. */
  ours: number[];
  theirs: number[];
  /** Goal for the ratio of ours to the anchor's. Undefined if the ratio is only reported. */
  goal?: { atMost: number } | { atLeast: number };
}

/** A group of comparisons with a common setup. `npm run bench -- NAME` runs it alone. */
export interface Part {
  name: string;
  run(options: BenchOptions): Promise<Comparison[]>;
}

/**
 * Measures ours and the anchor alternately. The order changes every round, so that other load on the machine affects both.
 *
 * @param ours measures the service once, in the comparison's unit; `theirs` does so for the anchor
 */
export async function takeTurns(
  rounds: number,
  ours: () => Promise<number>,
  theirs: () => Promise<number>,
): Promise<Pick<Comparison, 'ours' | 'theirs'>> {
  const samples: Pick<Comparison, 'ours' | 'theirs'> = { ours: [], theirs: [] };
  for (let round = 0; round < rounds; round++) {
    const turns = [
      async () => samples.ours.push(await ours()),
      async () => samples.theirs.push(await theirs()),
    ];
    if (round % 2 === 1) turns.reverse();
    for (const turn of turns) await turn();
  }
  return samples;
}

export function median(samples: number[]): number {
  const sorted = [...samples].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}

/** Returns the median over the rounds of ours divided by theirs. A round in which the machine was slow affects both alike. */
export function ratioOf({ ours, theirs }: Pick<Comparison, 'ours' | 'theirs'>): number {
  return median(ours.map((sample, round) => sample / (theirs[round] ?? Number.NaN)));
}
