import type { Config } from '../config/config.ts';
import type { Log } from '../log/log.ts';
import type { Sink } from '../log/sink.ts';
import type { Counters, RequestContext } from '../request-context.ts';
import { routeNamed } from '../routes.ts';
import { emfMembers, MAX_VALUES, type MetricValues } from './emf.ts';
import { METRICS, type MetricKey } from './metric-names.ts';

type Settings = Pick<
  Config,
  'logLevel' | 'metricsNamespace' | 'onLambda' | 'requestLogSample' | 'serviceName'
>;

/** Where time and chance come from: tests set them. */
interface Sources {
  monotonicMs: () => number;
  /** From 0 to 1, without 1. */
  random: () => number;
}

/** A request that takes as long is always logged. In milliseconds. */
const SLOW_MS = 500;

/** Metrics of requests that are not logged are written after this time at the latest, if another request comes. In milliseconds. */
const GATHER_MS = 1000;

/**
 * Writes one line for each request, at INFO. The line also contains the request's metrics, which saves the cost of a second line. If the
 * log level is above INFO, the metrics are written alone.
 *
 * With a sample below 1, only this share of the ordinary requests has a line. The metrics of the others are gathered, and are on the next
 * line. They are written alone if a second has passed without a line: no metric may wait in a sandbox that is frozen.
 */
export class RequestLog {
  readonly #settings: Settings;
  readonly #log: Log;
  readonly #write: Sink;
  readonly #writesInfo: boolean;
  #isFirst = true;
  /** Reconnects since the last line. They belong to no request, and are reported with the next one. */
  #reconnects = 0;
  readonly #sources: Sources;
  /** The metrics of requests since the last line. */
  #gathered: MetricValues = {};
  #lastLineMonotonicMs = Number.NEGATIVE_INFINITY;

  constructor(
    settings: Settings,
    log: Log,
    write: Sink,
    sources: Sources = { monotonicMs: () => performance.now(), random: Math.random },
  ) {
    this.#settings = settings;
    this.#log = log;
    this.#write = write;
    this.#sources = sources;
    this.#writesInfo = settings.logLevel === 'INFO' || settings.logLevel === 'DEBUG';
  }

  /** Counts a connection to the backend that replaced a lost one. */
  countReconnect(): void {
    this.#reconnects++;
  }

  /** @param status of the response */
  write(request: RequestContext, status: number): void {
    const nowMonotonicMs = this.#sources.monotonicMs();
    const durationMs = Math.round((nowMonotonicMs - request.startedMonotonicMs) * 1000) / 1000;
    this.#gather(request, durationMs);
    const weight = this.#weightOf(request, status, durationMs);
    if (weight === 0 && !this.#metricsAreDue(nowMonotonicMs)) return;
    this.#lastLineMonotonicMs = nowMonotonicMs;
    const metrics = this.#takeMetrics();
    if (this.#writesInfo && weight > 0) {
      const { operation, event, logFields, correlationId, requestId } = request;
      this.#log.info('request', {
        operation,
        tenant: request.tenant || undefined,
        user: event.headers['x-user-id'],
        status,
        ...logFields,
        duration_ms: durationMs,
        sample_weight: weight === 1 ? undefined : weight,
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

  /** The number of requests that the line of this one stands for; 0 if it has none. */
  #weightOf({ operation, logFields }: RequestContext, status: number, durationMs: number): number {
    const { requestLogSample: sample } = this.#settings;
    const isOrdinary =
      status < 400 &&
      logFields.code === undefined &&
      durationMs < SLOW_MS &&
      !this.#isFirst &&
      routeNamed(operation).kind !== 'sweep';
    if (sample === 1 || !isOrdinary) return 1;
    return this.#sources.random() < sample ? Math.round(1 / sample) : 0;
  }

  /** Operations without a backend publish no metrics: CloudWatch charges for each combination of dimensions. */
  #gather(request: RequestContext, durationMs: number): void {
    if (this.#settings.metricsNamespace === undefined || routeNamed(request.operation).backend === false)
      return;
    const values = metricValues(request, durationMs);
    if (this.#reconnects > 0) values.reconnects = this.#reconnects;
    this.#reconnects = 0;
    for (const key of Object.keys(values) as MetricKey[]) {
      this.#gathered[key] = together(key, this.#gathered[key], values[key] ?? []);
    }
  }

  #metricsAreDue(nowMonotonicMs: number): boolean {
    const isFull = Object.values(this.#gathered).some(
      (value) => typeof value === 'object' && value.length >= MAX_VALUES,
    );
    return isFull || nowMonotonicMs - this.#lastLineMonotonicMs > GATHER_MS;
  }

  #takeMetrics(): object | undefined {
    const { metricsNamespace } = this.#settings;
    const values = this.#gathered;
    if (metricsNamespace === undefined || Object.keys(values).length === 0) return undefined;
    this.#gathered = {};
    return emfMembers(metricsNamespace, values);
  }
}

type Value = number | readonly number[];

/** The values of a metric of several requests. Counts are added: CloudWatch shows their sum. */
function together(key: MetricKey, former: Value | undefined, value: Value): Value {
  if (former === undefined) return value;
  if (METRICS[key].unit === 'Count' && typeof former === 'number' && typeof value === 'number')
    return former + value;
  // More values than CloudWatch reads from one line would be lost.
  return [former, value].flat().slice(0, MAX_VALUES);
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
