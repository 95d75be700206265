import type { Config } from '../config/config.ts';
import type { Log } from '../log/log.ts';
import type { Sink } from '../log/sink.ts';
import type { Counters, RequestContext } from '../request-context.ts';
import { routeNamed } from '../routes.ts';
import { emfMembers, type MetricValues } from './emf.ts';

type Settings = Pick<Config, 'logLevel' | 'metricsNamespace' | 'onLambda' | 'serviceName'>;

/**
 * Writes one line for each request, at INFO. The line also contains the request's metrics, which saves the cost of a second line. If the
 * log level is above INFO, the metrics are written alone.
 */
export class RequestLog {
  readonly #settings: Settings;
  readonly #log: Log;
  readonly #write: Sink;
  readonly #writesInfo: boolean;
  #isFirst = true;
  /** Reconnects since the last line. They belong to no request, and are reported with the next one. */
  #reconnects = 0;

  constructor(settings: Settings, log: Log, write: Sink) {
    this.#settings = settings;
    this.#log = log;
    this.#write = write;
    this.#writesInfo = settings.logLevel === 'INFO' || settings.logLevel === 'DEBUG';
  }

  /** Counts a connection to the backend that replaced a lost one. */
  countReconnect(): void {
    this.#reconnects++;
  }

  /** @param status of the response */
  write(request: RequestContext, status: number): void {
    const durationMs = Math.round((performance.now() - request.startedMonotonicMs) * 1000) / 1000;
    const metrics = this.#metricsOf(request, durationMs);
    if (this.#writesInfo) {
      const { operation, event, logFields, correlationId, requestId } = request;
      this.#log.info('request', {
        operation,
        tenant: request.tenant || undefined,
        user: event.headers['x-user-id'],
        status,
        ...logFields,
        duration_ms: durationMs,
        ...(this.#settings.onLambda && this.#sandboxFields(request)),
        correlation_id: correlationId,
        // Nobody can search for an id that the service has made up for this request: the response's correlation id finds it as well.
        request_id: event.headers['x-request-id'] === requestId ? requestId : undefined,
        // API Gateway's access log has the same id.
        gateway_request_id: event.requestContext?.requestId,
        ...metrics,
      });
    } else if (metrics) {
      const { operation, logFields } = request;
      const dimensions = { service: this.#settings.serviceName, operation, code: logFields.code };
      this.#write(`${JSON.stringify({ ...dimensions, ...metrics })}\n`);
    }
    this.#isFirst = false;
  }

  /** The first line of a sandbox has what Lambda's own report would say, which the stack turns off. */
  #sandboxFields({ startedMonotonicMs }: RequestContext): Record<string, boolean | number | undefined> {
    if (!this.#isFirst) return { cold_start: false };
    // With provisioned concurrency, the first request may come hours after the start.
    const isOnDemand = process.env.AWS_LAMBDA_INITIALIZATION_TYPE === 'on-demand';
    return {
      cold_start: true,
      init_ms: isOnDemand ? Math.round(startedMonotonicMs) : undefined,
      rss_mb: Math.round(process.memoryUsage.rss() / 1024 ** 2),
    };
  }

  /** Operations without a backend publish no metrics: CloudWatch charges for each combination of dimensions. */
  #metricsOf(request: RequestContext, durationMs: number): object | undefined {
    const { metricsNamespace } = this.#settings;
    if (metricsNamespace === undefined || routeNamed(request.operation).backend === false) return undefined;
    const values = metricValues(request, durationMs);
    if (this.#reconnects > 0) values.reconnects = this.#reconnects;
    this.#reconnects = 0;
    return emfMembers(metricsNamespace, values);
  }
}

const COUNTED_IF_ABOVE_0 = [
  'hits',
  'misses',
  'leasesGranted',
  'leaseWaits',
  'staleReads',
  'fillsRejected',
] as const satisfies (keyof Counters)[];

/** The metrics of an answered request. */
function metricValues(request: RequestContext, latencyMs: number): MetricValues {
  const { operation, logFields, counters, backendTimesMs, compressionSavedBytes } = request;
  const { code, count, bytes } = logFields;
  const isSweep = routeNamed(operation).kind === 'sweep';
  const values: MetricValues = { latency: latencyMs };
  if (bytes !== undefined) values.valueBytes = bytes;
  for (const name of COUNTED_IF_ABOVE_0) {
    const count = counters[name];
    if (count) values[name] = count;
  }
  // Also if the invalidation ran out of time: the entries were removed.
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
