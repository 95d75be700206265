import type { ServerState } from '../store/store.ts';
import { emfMembers, type MetricValues } from './emf.ts';

/**
 * What is measured: everything, or for a backend that publishes its own metrics only whether it replies and how fast. Each metric costs
 * $0.30 per month.
 */
export type BackendMetrics = 'all' | 'reachability';

/** How fast the backend has replied, and the states of its servers. */
export interface Measurement {
  /** Undefined: not measured. */
  servers: readonly ServerState[] | undefined;
  latencyMs: number;
}

/**
 * Formats a measurement as one line of CloudWatch's embedded metric format. Amounts are sums over all servers; the memory usage and the
 * fragmentation are the highest of any server.
 *
 * @param measured undefined if the backend did not reply
 */
export function backendMetricsLine(
  { namespace, serviceName }: { namespace: string; serviceName: string },
  measured: Measurement | undefined,
): string {
  const line = { service: serviceName, ...emfMembers(namespace, valuesOf(measured)) };
  return `${JSON.stringify(line)}\n`;
}

function valuesOf(measured: Measurement | undefined): MetricValues {
  if (!measured) return { backendReachable: 0 };
  const { servers, latencyMs } = measured;
  const reachable = { backendReachable: 1, backendLatency: latencyMs };
  if (!servers) return reachable;
  const of = <Name extends keyof ServerState>(name: Name) => servers.map((server) => server[name]);
  const values = {
    ...reachable,
    memoryUsed: sum(of('usedBytes')),
    memoryLimit: sum(of('limitBytes')),
    memoryUsage: largest(servers.map(usagePercent)),
    memoryUsageNoEviction: largest(servers.filter(({ evicts }) => !evicts).map(usagePercent)),
    fragmentation: largest(of('fragmentation')),
    evicted: sum(of('evicted')),
    connections: sum(of('connections')),
  };
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));
}

function usagePercent({ usedBytes, limitBytes }: ServerState): number | undefined {
  return limitBytes && (100 * usedBytes) / limitBytes;
}

/** Undefined unless all values are known. */
function sum(values: (number | undefined)[]): number | undefined {
  return values.reduce(
    (total, value) => (total !== undefined && value !== undefined ? total + value : undefined),
    0,
  );
}

/** The largest of the known values. */
function largest(values: (number | undefined)[]): number | undefined {
  const known = values.filter((value) => value !== undefined);
  return known.length > 0 ? Math.max(...known) : undefined;
}
