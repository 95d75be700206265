import { ServiceError } from '../lib/errors.ts';
import { noInput } from '../lib/http/input.ts';
import { config, endpoint, log, startService } from '../lib/service.ts';

const { store } = await startService();

/** GET /health: 200 when the backend answers, 503 when it does not. */
export const handler = endpoint('health', { input: noInput }, async ({ correlationId }) => {
  const startedMonotonicMs = performance.now();
  const reachable = await store.ping().then(
    () => true,
    (error: unknown) => {
      if (!(error instanceof ServiceError)) throw error;
      log.warn('health', { correlation_id: correlationId, cause: error.cause });
      return false;
    },
  );
  const latencyMs = performance.now() - startedMonotonicMs;
  // The memory of the embedded store is this process's own, so no other tool can report it.
  const [own] = store.kind === 'memory' ? await store.servers() : [];
  return {
    status: reachable ? 200 : 503,
    document: {
      status: reachable ? 'healthy' : 'unhealthy',
      service: config.serviceName,
      backend: store.kind,
      latency_ms: Math.round(latencyMs * 1000) / 1000,
      memory: own && { used_bytes: own.usedBytes, limit_bytes: own.limitBytes, evicted: own.evicted },
      timestamp: new Date().toISOString(),
    },
  };
});
