import { readConfig } from './config/config.ts';
import { noTenantLimits, type TenantLimitSettings, type TenantLimits } from './config/tenant-limits.ts';
import { type Events, noEvents } from './events/event.ts';
import { createEndpoints, type WithinLimits } from './http/endpoint.ts';
import { createLog } from './log/log.ts';
import { createSink } from './log/sink.ts';
import { MAX_VALUES } from './observability/emf.ts';
import { RequestLog } from './observability/request-log.ts';
import { currentRequest } from './request-context.ts';
import { openStore } from './store/open.ts';
import type { CacheStore, StoreObserver } from './store/store.ts';

/**
 * The composition root: this module creates the process's collaborators, and `startService` starts them. Functions that need no store do
 * not call it, and so open no connection.
 */

/** Importing this module throws `ConfigError` if a setting is invalid. */
export const config = readConfig(process.env);

const sink = createSink(config);
export const log = createLog(config, sink);
const requestLog = new RequestLog(config, log, sink);

/** Sends what is buffered before a function's response, after which the sandbox is frozen. A server sends in the background. */
const flushes: (() => Promise<void>)[] = [];

/** Runs a request within its tenant's limits. Replaced when the service starts, if tenants have limits. */
let withinLimits: WithinLimits = (_request, work) => work();

/** Turns an endpoint into a Lambda function, see `createEndpoints`. */
export const endpoint = createEndpoints({
  config,
  log,
  requestLog,
  withinLimits: (request, work) => withinLimits(request, work),
  flush: () => (flushes.length > 0 ? Promise.all(flushes.map((flush) => flush())) : undefined),
});

/** What functions use. */
export interface Service {
  store: CacheStore;
  limitsOf: (tenant: string) => TenantLimits;
  events: Events;
  /** Closes the store and exports the remaining telemetry, within two seconds. */
  stop: () => Promise<void>;
}

let started: Promise<Service> | undefined;

/**
 * Starts events and telemetry if they are enabled, and opens the store. Every call returns the same service: the functions of one process
 * share it. Does not fail if the backend cannot be reached.
 */
export function startService(): Promise<Service> {
  started ??= start();
  return started;
}

async function start(): Promise<Service> {
  // Loaded only if they are enabled, since each is a lot of code. Started before the store, so that all connect at the same time.
  const events = config.nats
    ? (await import('./events/nats.ts')).startNatsEvents(config.nats, config, log)
    : noEvents;
  const telemetry =
    config.otel && (await (await import('./observability/otel/start.ts')).start(config, config.otel, log));
  if (config.onLambda) {
    if (config.nats) flushes.push(() => events.flush());
    if (telemetry) flushes.push(() => telemetry.flush());
  }
  const limits = config.tenantLimits && (await openLimits(config.tenantLimits));
  const limitsOf = (tenant: string) => limits?.of(tenant) ?? noTenantLimits;
  const [store] = await Promise.all([openStore(config, log, observer, limitsOf), limits?.refresh()]);
  limits?.start(store);
  return {
    store,
    limitsOf,
    events,
    stop: async () => {
      await Promise.all([store.close(), events.flush()]);
      await telemetry?.stop();
    },
  };
}

/** Loads the code of limits, and starts to read them. `start` applies them to requests. */
async function openLimits(settings: TenantLimitSettings) {
  const { TenantLimitReader } = await import('./limits/tenant-limits.ts');
  const { RateLimiter } = await import('./limits/rate-limiter.ts');
  const reader = new TenantLimitReader(settings, config.shards, log);
  const { sweepWeight } = settings;
  return {
    of: (tenant: string) => reader.of(tenant),
    refresh: () => reader.refresh(),
    start(store: CacheStore) {
      const rateOf = (tenant: string) => reader.of(tenant).rate;
      const limiter = new RateLimiter({ store, rateOf, sweepWeight, log });
      withinLimits = async (request, work) => {
        const refreshing = reader.refresh();
        if (reader.isOutdated) await refreshing;
        try {
          return await limiter.run(request, work);
        } finally {
          // A frozen function could not receive the reply.
          if (config.onLambda) await refreshing;
        }
      };
    },
  };
}

/** Adds what the store reports to the current request. */
const observer: StoreObserver = {
  backendCalled(durationMs) {
    const times = currentRequest()?.backendTimesMs;
    // An invalidation may make thousands of calls. The first ones are enough.
    if (times && times.length < MAX_VALUES) times.push(Math.round(durationMs * 1000) / 1000);
  },
  limitEvicted(count) {
    const request = currentRequest();
    if (request) request.limitEvictions += count;
  },
  limitEvictionFailed(error) {
    log.error('entries above a limit cannot be evicted', {
      error,
      correlation_id: currentRequest()?.correlationId,
    });
  },
  compressed(savedBytes) {
    const request = currentRequest();
    if (request) request.compressionSavedBytes += savedBytes;
  },
  reconnected() {
    requestLog.countReconnect();
  },
  leaseRefused(reason) {
    const request = currentRequest();
    log.warn('backend refuses writes, no lease granted', {
      error: reason,
      operation: request?.operation,
      correlation_id: request?.correlationId,
    });
  },
};
