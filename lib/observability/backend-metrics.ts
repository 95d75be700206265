import type { ServerState } from '../store/store.ts';
import { emfMembers, type MetricValues } from './emf.ts';

/** The states of the backend's servers, and the time that reading all of them took. */
export interface Measurement {
  servers: readonly ServerState[];
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
  const of = <Name extends keyof ServerState>(name: Name) => servers.map((server) => server[name]);
  const values = {
    backendReachable: 1,
    backendLatency: latencyMs,
    memoryUsed: sum(of('usedBytes')),
    memoryLimit: sum(of('limitBytes')),
    memoryUsage: largest(servers.map(usagePercent)),
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
