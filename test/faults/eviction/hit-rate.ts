import { BackendUnavailableError } from '../../../lib/errors.ts';
import type { Cache } from './caches.ts';
import { accesses, textOf, type Workload } from './workload.ts';

/** What a cache made of a workload. */
export interface Outcome {
  accesses: number;
  hits: number;
  /** Hits by accesses that were answered, once the cache was full. */
  hitRate: number;
  /** Values that came back and were not what had been set under that key. */
  wrong: number;
  /** Accesses that were not answered in time. */
  unanswered: number;
}

/** How many callers ask side by side. */
const CALLERS = 32;

/**
 * Uses a cache as services do: reads, and writes what was a miss.
 *
 * @param warmup accesses that do not count
 * @param count accesses that do
 */
export async function use(cache: Cache, workload: Workload, warmup: number, count: number): Promise<Outcome> {
  const sequence = accesses(workload);
  let left = warmup + count;
  let hits = 0;
  let wrong = 0;
  let answered = 0;
  let unanswered = 0;
  const caller = async () => {
    while (left > 0) {
      const counts = left-- <= count;
      const access = sequence.next().value;
      const expected = textOf(access.key, workload.valueBytes);
      try {
        const found = await cache.get(access);
        if (found === undefined) await cache.set(access, expected);
        else if (found !== expected) wrong++;
        else if (counts) hits++;
        if (counts) answered++;
      } catch (error) {
        // On a machine that is busy with other things an answer may come too late; it says nothing about what is in the cache.
        if (!(error instanceof BackendUnavailableError)) throw error;
        unanswered++;
      }
    }
  };
  await Promise.all(Array.from({ length: CALLERS }, caller));
  return { accesses: warmup + count, hits, hitRate: hits / answered, wrong, unanswered };
}
