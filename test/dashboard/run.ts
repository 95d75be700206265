import { setTimeout as sleep } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import { type Machine, machine } from '../bench/report.ts';
import { smallServer } from '../faults/eviction/caches.ts';
import { accesses, textOf } from '../faults/eviction/workload.ts';
import { httpCaller } from '../faults/harness/caller.ts';
import { startService } from '../http/service.ts';
import { linesOf, metricsOf } from '../observability/emf.ts';
import { infoFields } from '../support/engines/inspect.ts';
import { ask, readAndFill } from './load.ts';
import { type EngineState, type Sample, samplesOf, type Timed } from './samples.ts';

/** An operation on the cache during the run, which the picture marks. */
export interface Happening {
  /** Seconds since the run began. */
  at: number;
  what: string;
}

/** The data of the picture. */
export interface Run {
  machine: Machine;
  seconds: number;
  /** Gets per second, the number of different keys, and the length of their values in bytes. */
  rate: number;
  keys: number;
  valueBytes: number;
  /** The memory limit of the engine, in bytes. */
  limit: number;
  happenings: Happening[];
  samples: Sample[];
}

const TENANT = 'acme';
const PATTERN = 'item:[1-4]*';
const VALUE_BYTES = 1000;
const KEYS = 40_000;
const CALLERS = 16;

/**
 * Memory limit of the engine: bytes for each second of a run, so that the memory is full after a third of the run, and the
 * minimum, because the engine needs memory for connections.
 */
const BYTES_PER_SECOND = 80_000;
const MIN_BYTES = 2_000_000;

/** Times of the invalidation and of the clear, as a share of the run. */
const INVALIDATION_AT = 0.5;
const CLEAR_AT = 0.75;

/**
 * Runs callers that read and fill a cache which is too small for them, on the local server with a real engine. Invalidates a
 * part of the cache and later clears it. The results come from the service's metrics and from the engine's INFO.
 */
export async function run({ seconds, rate }: { seconds: number; rate: number }): Promise<Run> {
  const small = await smallServer('allkeys-lru', Math.max(MIN_BYTES, BYTES_PER_SECOND * seconds));
  try {
    const service = await startService({
      DRAGONFLY_URL: small.server.url,
      LOG_LEVEL: 'ERROR',
      METRICS_NAMESPACE: 'CacheService/local',
    });
    const caller = httpCaller(service.port);
    const happenings: Happening[] = [];
    const states: EngineState[] = [];
    try {
      await small.limit();
      const limit = Number((await infoFields(small.raw, 'memory')).maxmemory);
      const begin = Date.now();
      const end = performance.now() + 1000 * seconds;
      const workload = { tenants: [{ name: TENANT, keys: KEYS }], valueBytes: VALUE_BYTES, seed: 7 };
      const happens = async (share: number, action: () => Promise<string>) => {
        await sleep(1000 * seconds * share);
        const at = (Date.now() - begin) / 1000;
        happenings.push({ at, what: await action() });
      };
      await Promise.all([
        readAndFill(caller, accesses(workload), {
          rate,
          callers: CALLERS,
          end,
          textOfKey: (key) => textOf(key, VALUE_BYTES),
          ttlSeconds: 3600,
        }),
        watch(small.raw, states, end),
        happens(INVALIDATION_AT, async () => {
          const response = await ask(caller, { operation: 'invalidate', tenant: TENANT, pattern: PATTERN });
          const { count } = JSON.parse(response.text).data as { count: number };
          return `invalidate ${PATTERN}: ${count.toLocaleString('en')} entries`;
        }),
        happens(CLEAR_AT, async () => {
          await ask(caller, { operation: 'clear', tenant: TENANT });
          return 'clear the tenant';
        }),
      ]);
      await service.stop();
      const samples = samplesOf(timed(service.stdout()), states, { begin, seconds });
      const about = { seconds, rate, keys: KEYS, valueBytes: VALUE_BYTES, limit };
      return { machine: await machine(), ...about, happenings, samples };
    } finally {
      caller.close();
      await service.stop();
    }
  } finally {
    await small.stop();
  }
}

/** Records the state of the engine several times per second until the end. */
async function watch(raw: Redis, states: EngineState[], end: number): Promise<void> {
  while (performance.now() < end) {
    const [memory, stats] = await Promise.all([infoFields(raw, 'memory'), infoFields(raw, 'stats')]);
    states.push({
      time: Date.now(),
      usedMemory: Number(memory.used_memory),
      evictedKeys: Number(stats.evicted_keys),
    });
    await sleep(200);
  }
}

function timed(output: string): Timed[] {
  return linesOf(output).flatMap((line) => {
    const { Timestamp: time } = line._aws as { Timestamp: number };
    return metricsOf(line).map((metric) => ({ ...metric, time }));
  });
}
