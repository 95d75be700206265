/** CloudWatch's names of the units in use. */
export type Unit = 'Count' | 'Milliseconds' | 'Bytes' | 'Percent' | 'None';

/** A CloudWatch metric. */
interface MetricSpec {
  readonly name: string;
  readonly unit: Unit;
  readonly dimensions: readonly string[];
}

const OF_SERVICE = ['service'] as const;
const BY_OPERATION = ['service', 'operation'] as const;
const BY_CODE = ['service', 'code'] as const;

/**
 * Every metric that functions publish, and that the stack's dashboard and alarms use. docs/observability.md describes them. CloudWatch
 * charges for each combination of dimensions, so there are few, and callers cannot choose their values.
 */
export const METRICS = {
  latency: { name: 'Latency', unit: 'Milliseconds', dimensions: BY_OPERATION },
  valueBytes: { name: 'ValueBytes', unit: 'Bytes', dimensions: BY_OPERATION },
  hits: { name: 'Hits', unit: 'Count', dimensions: OF_SERVICE },
  misses: { name: 'Misses', unit: 'Count', dimensions: OF_SERVICE },
  sets: { name: 'Sets', unit: 'Count', dimensions: OF_SERVICE },
  deletes: { name: 'Deletes', unit: 'Count', dimensions: OF_SERVICE },
  invalidations: { name: 'Invalidations', unit: 'Count', dimensions: OF_SERVICE },
  entriesInvalidated: { name: 'EntriesInvalidated', unit: 'Count', dimensions: OF_SERVICE },
  leasesGranted: { name: 'LeasesGranted', unit: 'Count', dimensions: OF_SERVICE },
  leaseWaits: { name: 'LeaseWaits', unit: 'Count', dimensions: OF_SERVICE },
  staleReads: { name: 'StaleReads', unit: 'Count', dimensions: OF_SERVICE },
  fillsRejected: { name: 'FillsRejected', unit: 'Count', dimensions: OF_SERVICE },
  limitEvictions: { name: 'LimitEvictions', unit: 'Count', dimensions: OF_SERVICE },
  compressionSaved: { name: 'CompressionSaved', unit: 'Bytes', dimensions: OF_SERVICE },
  backendTime: { name: 'BackendTime', unit: 'Milliseconds', dimensions: OF_SERVICE },
  reconnects: { name: 'Reconnects', unit: 'Count', dimensions: OF_SERVICE },
  failures: { name: 'Failures', unit: 'Count', dimensions: BY_CODE },
  errors: { name: 'Errors', unit: 'Count', dimensions: ['status'] },
  functionErrors: { name: 'FunctionErrors', unit: 'Count', dimensions: [] },
  backendReachable: { name: 'BackendReachable', unit: 'Count', dimensions: OF_SERVICE },
  backendLatency: { name: 'BackendLatency', unit: 'Milliseconds', dimensions: OF_SERVICE },
  memoryUsed: { name: 'BackendMemoryUsed', unit: 'Bytes', dimensions: OF_SERVICE },
  memoryLimit: { name: 'BackendMemoryLimit', unit: 'Bytes', dimensions: OF_SERVICE },
  memoryUsage: { name: 'BackendMemoryUsage', unit: 'Percent', dimensions: OF_SERVICE },
  memoryUsageNoEviction: {
    name: 'BackendMemoryUsageNoEviction',
    unit: 'Percent',
    dimensions: OF_SERVICE,
  },
  fragmentation: { name: 'BackendFragmentation', unit: 'None', dimensions: OF_SERVICE },
  evicted: { name: 'BackendEvicted', unit: 'Count', dimensions: OF_SERVICE },
  connections: { name: 'BackendConnections', unit: 'Count', dimensions: OF_SERVICE },
} as const satisfies Record<string, MetricSpec>;

export type MetricKey = keyof typeof METRICS;
