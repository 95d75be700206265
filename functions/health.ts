import { ServiceError } from '../lib/errors.ts';
import { endpoint } from '../lib/http/endpoint.ts';
import { config, store } from '../lib/service.ts';
import { log } from '../lib/settings.ts';

/** GET /health: 200 when the backend answers, 503 when it does not. */
export const handler = endpoint({ operation: 'health', tenant: false, input: () => undefined }, async () => {
  const startedAt = performance.now();
  const reachable = await store.ping().then(
    () => true,
    (error: unknown) => {
      if (!(error instanceof ServiceError)) throw error;
      log.warn('health', { cause: error.cause });
      return false;
    },
  );
  return {
    status: reachable ? 200 : 503,
    document: {
      status: reachable ? 'healthy' : 'unhealthy',
      service: config.serviceName,
      backend: store.kind,
      latency_ms: Math.round((performance.now() - startedAt) * 1000) / 1000,
      timestamp: new Date().toISOString(),
    },
  };
});
