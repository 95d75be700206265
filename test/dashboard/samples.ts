import { METRICS } from '../../lib/observability/metric-names.ts';
import type { Embedded } from '../observability/emf.ts';

/** One second of a run. */
export interface Sample {
  /** Seconds since the run began. */
  at: number;
  /** Numbers of hits, misses and sets. */
  hits: number;
  misses: number;
  sets: number;
  /** Percentage of gets that were hits; null if there was no get. */
  hitRate: number | null;
  /** Quantiles of the duration of gets in the service, in milliseconds; null if there was no get. */
  p50: number | null;
  p95: number | null;
  p99: number | null;
  /** Memory that the engine reports as used, in bytes. */
  memory: number;
  /** Number of evicted keys. */
  evicted: number;
}

/** The state that the engine reports at a point in time. */
export interface EngineState {
  /** Epoch milliseconds. */
  time: number;
  usedMemory: number;
  /** Keys evicted since it started. */
  evictedKeys: number;
}

/** A metric of the service. `time` is when it was written, in epoch milliseconds. */
export type Timed = Embedded & { time: number };

/**
 * Combines the metrics of the service and the states of the engine into one sample per second.
 *
 * @param begin epoch milliseconds
 */
export function samplesOf(
  metrics: Timed[],
  engine: EngineState[],
  { begin, seconds }: Record<'begin' | 'seconds', number>,
): Sample[] {
  const secondOf = ({ time }: { time: number }) => Math.floor((time - begin) / 1000);
  const bySecond = Map.groupBy(metrics, secondOf);
  return Array.from({ length: seconds }, (_, at) => {
    const metrics = bySecond.get(at) ?? [];
    const sumOf = ({ name }: { name: string }) =>
      metrics.filter((each) => each.name === name).reduce((sum, { values }) => sum + (values[0] ?? 0), 0);
    const [hits, misses] = [sumOf(METRICS.hits), sumOf(METRICS.misses)];
    const times = metrics
      .filter(({ name, dimensions }) => name === METRICS.latency.name && dimensions.operation === 'get')
      .flatMap(({ values }) => values)
      .sort((a, b) => a - b);
    const quantile = (share: number) => times[Math.ceil(share * times.length) - 1] ?? null;
    const before = engine.findLast((state) => secondOf(state) < at);
    const now = engine.findLast((state) => secondOf(state) <= at);
    return {
      at,
      hits,
      misses,
      sets: sumOf(METRICS.sets),
      hitRate: hits + misses === 0 ? null : (100 * hits) / (hits + misses),
      p50: quantile(0.5),
      p95: quantile(0.95),
      p99: quantile(0.99),
      memory: now?.usedMemory ?? 0,
      evicted: (now?.evictedKeys ?? 0) - (before?.evictedKeys ?? 0),
    };
  });
}
