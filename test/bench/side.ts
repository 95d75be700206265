import { type BenchOptions, type Comparison, takeTurns } from './part.ts';
import type { Cost, Sandbox } from './sandbox.ts';

/** A function in its sandbox, and the event of its calls. */
export interface Side {
  sandbox: Sandbox;
  event: unknown;
  /** Expected status of the response. */
  status: number;
  /** Number of calls that correspond to one call of the other side. Default: 1. */
  calls?: number;
}

/** The samples of both sides, one per round. */
export type Samples = Pick<Comparison, 'ours' | 'theirs'>;

export function once({ sandbox, event, status }: Side): Promise<string | undefined> {
  return sandbox.once(event, status);
}

/**
 * Measures two warm functions alternately.
 *
 * @param batch calls per reading of the clocks
 * @returns wall-clock time and CPU time per call, in microseconds
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
  /** Both kinds of samples come from the same calls. */
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
