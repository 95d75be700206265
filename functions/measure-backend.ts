import { ServiceError } from '../lib/errors.ts';
import {
  type BackendMetrics,
  backendMetricsLine,
  type Measurement,
} from '../lib/observability/backend-metrics.ts';
import { config, log } from '../lib/service.ts';
import { openStore } from '../lib/store/open.ts';

// Opens the store itself: `startService` would also start traces and events.
const store = await openStore(config, log);

/** Invoked by a schedule: publishes the state of the backend, or that it cannot be reached. */
export const handler = async ({ metrics = 'all' }: { metrics?: BackendMetrics }): Promise<void> => {
  const { metricsNamespace: namespace, serviceName } = config;
  if (namespace !== undefined) {
    process.stdout.write(backendMetricsLine({ namespace, serviceName }, await measure(metrics)));
  }
};

async function measure(metrics: BackendMetrics): Promise<Measurement | undefined> {
  const startedMonotonicMs = performance.now();
  try {
    const servers = metrics === 'all' ? await store.servers() : undefined;
    if (metrics === 'reachability') await store.ping();
    return { servers, latencyMs: performance.now() - startedMonotonicMs };
  } catch (error) {
    log.warn('measure-backend', { cause: error instanceof ServiceError ? error.cause : error });
    return undefined;
  }
}
