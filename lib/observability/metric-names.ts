/** What CloudWatch calls the units that are used here. */
export type Unit = 'Count' | 'Milliseconds' | 'Bytes' | 'Percent' | 'None';

/** A metric of the service: what CloudWatch calls it, and by which dimensions it is told apart. */
export interface MetricSpec {
  readonly name: string;
  readonly unit: Unit;
  readonly dimensions: readonly string[];
}

const OF_SERVICE = ['service'] as const;
const BY_OPERATION = ['service', 'operation'] as const;
const BY_CODE = ['service', 'code'] as const;

/**
 * Every metric that the service has of its own: what it publishes, what the stack's dashboard and alarms show, and what the
 * README lists are these. Each combination of dimensions is paid for, so there are few, and none that callers can add to.
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
  compressionSaved: { name: 'CompressionSaved', unit: 'Bytes', dimensions: OF_SERVICE },
  backendTime: { name: 'BackendTime', unit: 'Milliseconds', dimensions: OF_SERVICE },
  reconnects: { name: 'Reconnects', unit: 'Count', dimensions: OF_SERVICE },
  failures: { name: 'Failures', unit: 'Count', dimensions: BY_CODE },
  errors: { name: 'Errors', unit: 'Count', dimensions: ['status'] },
  backendReachable: { name: 'BackendReachable', unit: 'Count', dimensions: OF_SERVICE },
  backendLatency: { name: 'BackendLatency', unit: 'Milliseconds', dimensions: OF_SERVICE },
  memoryUsed: { name: 'BackendMemoryUsed', unit: 'Bytes', dimensions: OF_SERVICE },
  memoryLimit: { name: 'BackendMemoryLimit', unit: 'Bytes', dimensions: OF_SERVICE },
  memoryUsage: { name: 'BackendMemoryUsage', unit: 'Percent', dimensions: OF_SERVICE },
  fragmentation: { name: 'BackendFragmentation', unit: 'None', dimensions: OF_SERVICE },
  evicted: { name: 'BackendEvicted', unit: 'Count', dimensions: OF_SERVICE },
  connections: { name: 'BackendConnections', unit: 'Count', dimensions: OF_SERVICE },
} as const satisfies Record<string, MetricSpec>;

export type MetricKey = keyof typeof METRICS;

/** What each of them means. Apart from the list, since no function needs it. */
export const MEANINGS: Record<MetricKey, string> = {
  latency: 'of each request, from the event to the answer',
  valueBytes: 'JSON text of the values that a request got or set, those of a batch together',
  hits: 'keys of gets that were found, those of a batch each by itself',
  misses: 'keys of gets that were not',
  sets: 'keys that were set',
  deletes: 'keys that deletes named, found or not',
  invalidations: 'requests that invalidated or cleared',
  entriesInvalidated: 'live entries that went by them',
  compressionSaved: 'what values are smaller by since they are stored compressed',
  backendTime: 'of each backend call, with its wait for a connection and its second tries',
  reconnects: 'connections to the backend that took the place of a lost one',
  failures: 'requests answered with a failure, by its `code`',
  errors: "answers of 400 and above by `status`, API Gateway's own among them; from the access log",
  backendReachable: '1 each minute, 0 when the backend did not answer; the others below are missing then',
  backendLatency: 'of one round trip to every server of the backend, once a minute',
  memoryUsed: "of all of the backend's servers together, once a minute",
  memoryLimit: 'what they may use together; missing where one of them has no limit',
  memoryUsage: 'used of the limit, of the fullest server',
  fragmentation: 'what a server has of the system for each byte that it uses, of the worst server',
  evicted: 'entries evicted since the servers started: a total, whose difference is a rate',
  connections: "of all of the backend's servers together",
};
