import { RequestMetrics } from './observability/metrics.ts';
import { config, log, requestLog } from './settings.ts';
import { openStore } from './store/open.ts';

export { config };

// Before the store, so that both connect at the same time; and only if they are on, since it is a lot of code.
if (config.nats) (await import('./events/nats.ts')).publishChanges(config.nats, config, log);

/** Sends the traces and metrics that still wait, before the process ends; undefined where there are none. */
export const endTelemetry =
  config.otel && (await (await import('./observability/otel/start.ts')).start(config, config.otel, log));

/** This process's store, connected during the start where the backend can be reached. */
export const store = await openStore(config, log);

// After the store, whose first calls wait for a connection and belong to no request.
if (config.metricsNamespace) {
  const metrics = new RequestMetrics({ namespace: config.metricsNamespace, serviceName: config.serviceName });
  requestLog.measureBy((trace, milliseconds) => metrics.of(trace, milliseconds));
}
