import { setTimeout as sleep } from 'node:timers/promises';
import type { Access } from '../faults/eviction/workload.ts';
import type { Call, Caller, HttpResponse } from '../faults/harness/caller.ts';

export interface LoadOptions {
  /** Gets per second. */
  rate: number;
  /** Number of concurrent callers. Each sends one request at a time. */
  callers: number;
  /** The end, in milliseconds of `performance.now()`. */
  end: number;
  textOfKey: (key: string) => string;
  ttlSeconds: number;
}

/** The usual load of a cache: callers get keys, and set the keys that were misses. */
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
      // Gets that a slow response has delayed are skipped: a caller does not catch up.
      else at -= Math.ceil(wait / pause) * pause;
      const { tenant, key } = accesses.next().value;
      const { text } = await service.ask({ operation: 'get', tenant, key });
      // A caller whose get or set fails continues without the cache.
      if (!text.includes('"found":false')) continue;
      await service.ask({ operation: 'set', tenant, key, value: textOfKey(key), ttlSeconds });
    }
  };
  const start = performance.now();
  await Promise.all(Array.from({ length: callers }, (_, index) => work(start + (index * pause) / callers)));
}

/** @throws Error unless the request succeeds */
export async function ask(service: Caller, call: Call): Promise<HttpResponse> {
  const response = await service.ask(call);
  if (response.status >= 300)
    throw new Error(`${call.operation} failed: ${response.status} ${response.text}`);
  return response;
}
