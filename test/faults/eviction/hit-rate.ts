import { BackendUnavailableError } from '../../../lib/errors.ts';
import type { Cache } from './caches.ts';
import { accesses, textOf, type Workload } from './workload.ts';

/** The result of a workload on a cache. */
export interface Outcome {
  accesses: number;
  hits: number;
  /** Hits divided by successful accesses, after the warm-up. */
  hitRate: number;
  /** Number of returned values that differ from the value that was set. */
  wrong: number;
  /** Accesses that failed because the backend did not respond in time. */
  failed: number;
}

/** Number of concurrent callers. */
const CALLERS = 32;

/**
 * Uses a cache as applications do: reads a key, and sets it after a miss.
 *
 * @param warmup number of accesses that are not measured
 * @param count number of accesses that are measured
 */
export async function use(cache: Cache, workload: Workload, warmup: number, count: number): Promise<Outcome> {
  const sequence = accesses(workload);
  let left = warmup + count;
  let hits = 0;
  let wrong = 0;
  let completed = 0;
  let failed = 0;
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
        if (counts) completed++;
      } catch (error) {
        // On a busy machine an access may time out. That does not say whether the key is in the cache.
        if (!(error instanceof BackendUnavailableError)) throw error;
        failed++;
      }
    }
  };
  await Promise.all(Array.from({ length: CALLERS }, caller));
  return { accesses: warmup + count, hits, hitRate: hits / completed, wrong, failed };
}
