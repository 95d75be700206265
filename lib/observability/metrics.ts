import type { RequestContext } from '../request-context.ts';
import { routeNamed } from '../routes.ts';
import type { MetricValues } from './emf.ts';

/** The metrics of a request that has been answered. */
export function metricValues(request: RequestContext, latencyMs: number): MetricValues {
  const { operation, logFields, counters, backendTimesMs, compressionSavedBytes } = request;
  const { code, count, bytes } = logFields;
  const isSweep = routeNamed(operation).kind === 'sweep';
  const values: MetricValues = { latency: latencyMs };
  if (bytes !== undefined) values.valueBytes = bytes;
  for (const name of ['hits', 'misses'] as const) {
    const counted = counters[name];
    if (counted) values[name] = counted;
  }
  // Also of one that ran out of time: what it removed is gone.
  if (isSweep && count !== undefined) values.entriesInvalidated = count;
  if (code !== undefined) values.failures = 1;
  else if (isSweep) values.invalidations = 1;
  if (counters.sets !== undefined) values.sets = counters.sets;
  if (counters.deletes !== undefined) values.deletes = counters.deletes;
  if (backendTimesMs.length > 0) {
    values.backendTime = backendTimesMs.length === 1 ? backendTimesMs[0] : backendTimesMs;
  }
  if (compressionSavedBytes > 0) values.compressionSaved = compressionSavedBytes;
  return values;
}
