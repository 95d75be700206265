/** How much a run measures: `tiny` only shows that everything works. */
export type Size = 'full' | 'tiny';

export interface BenchOptions {
  size: Size;
  /** How often ours and the anchor take turns. */
  rounds: number;
  /** Tells a person what is going on. */
  say(line: string): void;
}

/** One comparison: ours beside its anchor, measured in turns. */
export interface Comparison {
  /** What is measured, such as `get of 1 kB, warm`. */
  what: string;
  /** What it is held against, such as `bare ioredis GET`. */
  anchor: string;
  /** Of the samples: `µs`, `ms`, `requests/s`, `bytes`. */
  unit: string;
  /** A sample each round, ours and the anchor's of the same round at the same index. */
  ours: number[];
  theirs: number[];
  /** What the ratio of ours to the anchor's should be; undefined: it is only reported. */
  goal?: { atMost: number } | { atLeast: number };
}

/** A group of comparisons that share their preparations. `npm run bench -- NAME` runs it alone. */
export interface Part {
  name: string;
  run(options: BenchOptions): Promise<Comparison[]>;
}

/**
 * Lets ours and the anchor take turns, each first in every other round, so that whatever else the machine does meets both.
 *
 * @param ours measures ours once, in the comparison's unit; `theirs` the anchor
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

/** The median over the rounds of ours to theirs: a round in which the machine was slow for both does not count for either. */
export function ratioOf({ ours, theirs }: Pick<Comparison, 'ours' | 'theirs'>): number {
  return median(ours.map((sample, round) => sample / (theirs[round] ?? Number.NaN)));
}
