import { type BenchOptions, type Comparison, takeTurns } from './part.ts';
import type { Cost, Sandbox } from './sandbox.ts';

/** A function in its sandbox, and what it is called with over and over. */
export interface Side {
  sandbox: Sandbox;
  event: unknown;
  /** That it answers with. */
  status: number;
  /** How many calls make one sample's unit: what takes the place of one call of the other side. */
  calls?: number;
}

/** A sample of each side, round by round. */
export type Samples = Pick<Comparison, 'ours' | 'theirs'>;

export function once({ sandbox, event, status }: Side): Promise<string | undefined> {
  return sandbox.once(event, status);
}

/**
 * Lets two warm functions take turns.
 *
 * @param batch calls between two looks at the clocks
 * @returns microseconds, on the wall's clock and of the function's CPU
 */
export async function compareSides(
  ours: Side,
  theirs: Side,
  batch: number,
  { size, rounds }: BenchOptions,
): Promise<Record<keyof Cost, Samples>> {
  const [warmUpMs, sampleMs] = size === 'tiny' ? [100, 150] : [2500, 1800];
  for (const { sandbox, event, status } of [ours, theirs]) {
    await sandbox.loop(event, status, warmUpMs, batch);
  }
  const cpu: Samples = { ours: [], theirs: [] };
  /** The CPU's samples are of the same calls as the clock's. */
  const turn = async ({ sandbox, event, status, calls = 1 }: Side, cpuSamples: number[]) => {
    const cost = await sandbox.loop(event, status, sampleMs, batch);
    cpuSamples.push(calls * cost.cpu);
    return calls * cost.wall;
  };
  const wall = await takeTurns(
    rounds,
    () => turn(ours, cpu.ours),
    () => turn(theirs, cpu.theirs),
  );
  return { wall, cpu };
}
