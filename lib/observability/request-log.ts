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
  epochMs: () => number;
  /** From 0 to 1, without 1. */
  random: () => number;
}

/** A request that takes as long is always logged. In milliseconds. */
const SLOW_MS = 500;

/** After this time without a line, the next request writes the metrics that were gathered. In milliseconds. */
const GATHER_MS = 1000;

/**
 * Writes one line for each request, at INFO. The line also contains the request's metrics, which saves the cost of a second line. If the
 * log level is above INFO, the metrics are written alone.
 *
 * With a sample below 1, only this share of the ordinary requests has a line. On Lambda, the metrics of the others are gathered, and written
 * on a line of their own before the next line, or by the first request after a second. If no request comes, they are late, or lost with the
 * sandbox.
 */
export class RequestLog {
  readonly #settings: Settings;
  readonly #log: Log;
  readonly #write: Sink;
  readonly #writesInfo: boolean;
  readonly #sources: Sources;
  #isFirst = true;
  #initMs: number | undefined;
  /** Reconnects since the last line. They belong to no request, and are reported with the next one. */
  #reconnects = 0;
  /** The metrics of requests without a line. All are of one operation: a Lambda function has no other. */
  #gathered: MetricValues = {};
  // By the wall's clock: the monotonic one may stop while the sandbox is frozen.
  #lastLineEpochMs = 0;

  constructor(
    settings: Settings,
    log: Log,
    write: Sink,
    sources: Sources = { monotonicMs: () => performance.now(), epochMs: Date.now, random: Math.random },
  ) {
    this.#settings = settings;
    this.#log = log;
    this.#write = write;
    this.#sources = sources;
    this.#writesInfo = settings.logLevel === 'INFO' || settings.logLevel === 'DEBUG';
  }

  /** The function has started, and waits for its first request. */
  started(): void {
    this.#initMs ??= Math.round(this.#sources.monotonicMs());
  }

  /** Counts a connection to the backend that replaced a lost one. */
  countReconnect(): void {
    this.#reconnects++;
  }

  /** @param status of the response */
  write(request: RequestContext, status: number): void {
    const durationMs = Math.round((this.#sources.monotonicMs() - request.startedMonotonicMs) * 1000) / 1000;
    const metrics = this.#metricsOf(request, durationMs);
    const weight = this.#weightOf(request, status, durationMs);
    if (weight > 0) {
      this.#writeGathered(request);
      if (this.#writesInfo) this.#writeLine(request, status, durationMs, weight, metrics);
      else this.#writeMetrics(request, metrics);
      this.#lastLineEpochMs = this.#sources.epochMs();
    } else if (this.#settings.onLambda) this.#gather(request, metrics);
    else this.#writeMetrics(request, metrics);
    this.#isFirst = false;
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
    return this.#sources.random() < sample ? Math.round(1000 / sample) / 1000 : 0;
  }

  #writeLine(
    request: RequestContext,
    status: number,
    durationMs: number,
    weight: number,
    metrics: MetricValues | undefined,
  ): void {
    const { operation, event, logFields, correlationId, requestId } = request;
    this.#log.info('request', {
      operation,
      tenant: request.tenant || undefined,
      user: event.headers['x-user-id'],
      status,
      ...logFields,
      limit_evictions: request.limitEvictions || undefined,
      duration_ms: durationMs,
      sample_weight: weight === 1 ? undefined : weight,
      ...(this.#settings.onLambda && this.#sandboxFields()),
      correlation_id: correlationId,
      // Nobody can search for an id that the service has made up for this request: the response's correlation id finds it as well.
      request_id: event.headers['x-request-id'] === requestId ? requestId : undefined,
      // API Gateway's access log has the same id.
      gateway_request_id: event.requestContext?.requestId,
      ...this.#emf(metrics),
    });
  }

  /** The first line of a sandbox has what Lambda's own report would say, which the stack turns off. */
  #sandboxFields(): Record<string, boolean | number | undefined> {
    if (!this.#isFirst) return { cold_start: false };
    const rssMb = Math.round(process.memoryUsage.rss() / 1024 ** 2);
    return { cold_start: true, init_ms: this.#initMs, rss_mb: rssMb };
  }

  /** Operations without a backend publish no metrics: CloudWatch charges for each combination of dimensions. */
  #metricsOf(request: RequestContext, durationMs: number): MetricValues | undefined {
    const { metricsNamespace } = this.#settings;
    if (metricsNamespace === undefined || routeNamed(request.operation).backend === false) return undefined;
    const values = metricValues(request, durationMs);
    if (this.#reconnects > 0) values.reconnects = this.#reconnects;
    this.#reconnects = 0;
    return values;
  }

  #gather(request: RequestContext, metrics: MetricValues = {}): void {
    const keys = Object.keys(metrics) as MetricKey[];
    const together = () => keys.map((key) => [key, sumOf(key, this.#gathered[key], metrics[key])] as const);
    // CloudWatch reads no more values of a metric from one line.
    if (together().some(([, value]) => typeof value === 'object' && value.length > MAX_VALUES)) {
      this.#writeGathered(request);
    }
    Object.assign(this.#gathered, Object.fromEntries(together()));
    if (this.#sources.epochMs() - this.#lastLineEpochMs > GATHER_MS) this.#writeGathered(request);
  }

  #writeGathered(request: RequestContext): void {
    if (Object.keys(this.#gathered).length === 0) return;
    this.#writeMetrics({ ...request, logFields: {} }, this.#gathered);
    this.#gathered = {};
    this.#lastLineEpochMs = this.#sources.epochMs();
  }

  /** Writes metrics alone, with the members for their dimensions. */
  #writeMetrics({ operation, logFields }: RequestContext, metrics: MetricValues | undefined): void {
    if (metrics === undefined) return;
    const dimensions = { service: this.#settings.serviceName, operation, code: logFields.code };
    this.#write(`${JSON.stringify({ ...dimensions, ...this.#emf(metrics) })}\n`);
  }

  #emf(metrics: MetricValues | undefined): object | undefined {
    const { metricsNamespace } = this.#settings;
    return metrics && metricsNamespace !== undefined ? emfMembers(metricsNamespace, metrics) : undefined;
  }
}

type Value = number | readonly number[] | undefined;

/** The values of a metric of several requests. Counts are added: CloudWatch shows their sum. */
function sumOf(key: MetricKey, former: Value, value: Value): Value {
  if (former === undefined || value === undefined) return former ?? value;
  if (METRICS[key].unit === 'Count' && typeof former === 'number' && typeof value === 'number') {
    return former + value;
  }
  return [former, value].flat();
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
  const { operation, logFields, counters, backendTimesMs, compressionSavedBytes, limitEvictions } = request;
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
  if (limitEvictions > 0) values.limitEvictions = limitEvictions;
  if (compressionSavedBytes > 0) values.compressionSaved = compressionSavedBytes;
  return values;
}
