import { ServiceError } from '../lib/errors.ts';
import { endpoint } from '../lib/http/endpoint.ts';
import { config, store } from '../lib/service.ts';
import { log } from '../lib/settings.ts';

/** GET /health: 200 when the backend answers, 503 when it does not. */
export const handler = endpoint(
  { operation: 'health', tenant: false, input: () => undefined },
  async ({ correlationId }) => {
    const startedAt = performance.now();
    const reachable = await store.ping().then(
      () => true,
      (error: unknown) => {
        if (!(error instanceof ServiceError)) throw error;
        log.warn('health', { correlation_id: correlationId, cause: error.cause });
        return false;
      },
    );
    const latencyMs = performance.now() - startedAt;
    // Nothing else can ask for the memory of this very process.
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
  },
);
