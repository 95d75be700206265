import { Metrics } from '@aws-lambda-powertools/metrics';
import { ServiceError } from '../lib/errors.ts';
import { type Measurement, publishBackend } from '../lib/observability/backend-metrics.ts';
import { config, log } from '../lib/settings.ts';
import { openStore } from '../lib/store/open.ts';

// Not the service's own, with which traces and events would start, that nobody asks for here.
const store = await openStore(config, log);
const { metricsNamespace: namespace, serviceName } = config;
const metrics = namespace === undefined ? undefined : new Metrics({ namespace, serviceName });

/** Behind no route: called by a schedule, it publishes how full the backend is. That it cannot be reached is a metric too. */
export const handler = async (): Promise<void> => {
  if (metrics) publishBackend(metrics, await measure());
};

async function measure(): Promise<Measurement | undefined> {
  const startedAt = performance.now();
  try {
    return { servers: await store.servers(), latencyMs: performance.now() - startedAt };
  } catch (error) {
    log.warn('measure-backend', { cause: error instanceof ServiceError ? error.cause : error });
    return undefined;
  }
}
