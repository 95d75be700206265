import type { Metrics } from '@aws-lambda-powertools/metrics';
import type { ServerState } from '../store/store.ts';
import { METRICS, type MetricSpec } from './metric-names.ts';

/** What a backend has said of itself, and how long all of its servers took to say it, in milliseconds. */
export interface Measurement {
  servers: readonly ServerState[];
  latencyMs: number;
}

/**
 * Publishes what a backend has said of itself as one line of the log, of which CloudWatch makes metrics.
 *
 * Of several servers what they take is added up; what goes wrong on one of them first is told of the worst.
 *
 * @param measured undefined: it has not answered
 */
export function publishBackend(metrics: Metrics, measured: Measurement | undefined): void {
  const add = ({ name, unit }: MetricSpec, value: number | undefined) => {
    if (value !== undefined) metrics.addMetric(name, unit, value);
  };
  add(METRICS.backendReachable, measured ? 1 : 0);
  if (measured) {
    const { servers, latencyMs } = measured;
    const of = <Name extends keyof ServerState>(name: Name) => servers.map((server) => server[name]);
    add(METRICS.backendLatency, latencyMs);
    add(METRICS.memoryUsed, sum(of('usedBytes')));
    add(METRICS.memoryLimit, sum(of('limitBytes')));
    add(METRICS.memoryUsage, largest(servers.map(usagePercent)));
    add(METRICS.fragmentation, largest(of('fragmentation')));
    add(METRICS.evicted, sum(of('evicted')));
    add(METRICS.connections, sum(of('connections')));
  }
  metrics.publishStoredMetrics();
}

function usagePercent({ usedBytes, limitBytes }: ServerState): number | undefined {
  return limitBytes && (100 * usedBytes) / limitBytes;
}

/** Undefined unless all of them are known. */
function sum(values: (number | undefined)[]): number | undefined {
  return values.reduce(
    (total, value) => (total !== undefined && value !== undefined ? total + value : undefined),
    0,
  );
}

/** Of those that are known. */
function largest(values: (number | undefined)[]): number | undefined {
  const known = values.filter((value) => value !== undefined);
  return known.length > 0 ? Math.max(...known) : undefined;
}
