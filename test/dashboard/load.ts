import { setTimeout as sleep } from 'node:timers/promises';
import type { Access } from '../faults/eviction/workload.ts';
import type { Answer, Call, Caller } from '../faults/harness/caller.ts';

export interface LoadOptions {
  /** How many keys are asked for a second. */
  rate: number;
  /** How many callers share them, each with one request at a time. */
  callers: number;
  /** When to end, by `performance.now()`. */
  end: number;
  textOfKey: (key: string) => string;
  ttlSeconds: number;
}

/** What a cache is there for: callers who read, and write what they did not find. */
export async function readAndFill(
  service: Caller,
  accesses: Iterator<Access, never>,
  { rate, callers, end, textOfKey, ttlSeconds }: LoadOptions,
): Promise<void> {
  const pause = (1000 * callers) / rate;
  const work = async (first: number) => {
    for (let at = first; at < end; at += pause) {
      const wait = at - performance.now();
      if (wait > 0) await sleep(wait);
      // What a slow answer has made late is left out: nobody asks twice as fast afterwards.
      else at -= Math.ceil(wait / pause) * pause;
      const { tenant, key } = accesses.next().value;
      const { text } = await service.ask({ operation: 'get', tenant, key });
      // Who gets no answer in time goes on without the cache, and so with a failure of the set.
      if (!text.includes('"found":false')) continue;
      await service.ask({ operation: 'set', tenant, key, value: textOfKey(key), ttlSeconds });
    }
  };
  const start = performance.now();
  await Promise.all(Array.from({ length: callers }, (_, index) => work(start + (index * pause) / callers)));
}

/** @throws Error for any answer but a success */
export async function ask(service: Caller, call: Call): Promise<Answer> {
  const answer = await service.ask(call);
  if (answer.status >= 300)
    throw new Error(`${call.operation} was answered ${answer.status}: ${answer.text}`);
  return answer;
}
