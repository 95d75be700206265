import type { Agent } from 'node:http';
import { setImmediate as nextLoopTurn } from 'node:timers/promises';
import { DiagLogLevel, diag } from '@opentelemetry/api';
import { type ExportResult, ExportResultCode } from '@opentelemetry/core';
import {
  AggregationTemporalityPreference,
  OTLPMetricExporter,
} from '@opentelemetry/exporter-metrics-otlp-http';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import type { Resource } from '@opentelemetry/resources';
import {
  MeterProvider,
  PeriodicExportingMetricReader,
  type ResourceMetrics,
} from '@opentelemetry/sdk-metrics';
import {
  BatchSpanProcessor,
  ParentBasedSampler,
  TraceIdRatioBasedSampler,
  TracerProvider,
} from '@opentelemetry/sdk-trace';
import type { OtelSettings } from '../../config/otel.ts';
import type { Log } from '../../log/log.ts';

/**
 * The export of spans and metrics over OTLP/HTTP. The SDK queues, batches, sends and retries. This file adds what the SDK does not
 * have: a bound on the time that a response waits, connections that survive a freeze, and one log line per outage.
 */

/** Maximum time that a function's response waits for the collector. */
const RESPONSE_WAIT_MS = 50;

/** Maximum time that the end of a process waits for the collector. */
const SHUTDOWN_WAIT_MS = 2000;

/** After this many late flushes in a row, responses do not wait during `PAUSE_MS`. A TLS handshake may take a few flushes. */
const MAX_LATE_FLUSHES = 3;
const PAUSE_MS = 5000;

/**
 * A connection that was silent for longer is replaced, whether it is idle, connecting or waiting for a response: the process does not
 * notice if it is closed during a freeze, and NAT gateways and load balancers drop idle connections without notice.
 */
const MAX_SILENCE_MS = 30_000;

/** `requestTimeoutMs` is the time for all attempts to send one batch. */
const SERVER_TIMING = { spanIntervalMs: 1000, metricIntervalMs: 60_000, requestTimeoutMs: 10_000 };

/**
 * In a function, only `flush` starts exports. After a thaw, expired timers of the SDK run before a response that has arrived is read, and
 * would abandon the export. So all of its timers are longer than most freezes.
 */
const FREEZE_MS = 300_000;
const LAMBDA_TIMING = { spanIntervalMs: FREEZE_MS, metricIntervalMs: FREEZE_MS, requestTimeoutMs: FREEZE_MS };

/** Interval between two exports of a function's metrics. When Lambda ends the sandbox, metrics since the last export are lost. */
const LAMBDA_METRIC_INTERVAL_MS = 5000;

/** In characters. Callers determine the length of some attributes. */
const MAX_ATTRIBUTE_LENGTH = 256;

/** Interval between two log lines about problems of the SDK. */
const DIAGNOSTIC_INTERVAL_MS = 60_000;

/** The SDK's providers, and the export to the collector. No method rejects. */
export interface Telemetry {
  tracers: TracerProvider;
  meters: MeterProvider;
  /** Exports what is queued. Resolves after 50 ms at the latest; the export then continues. */
  flush: () => Promise<void>;
  /** Exports what is left. Resolves after two seconds at the latest. */
  stop: () => Promise<void>;
}

/** Creates the SDK's providers with exporters to the collector. On Lambda, nothing is exported except by `flush`. */
export async function createTelemetry(
  resource: Resource,
  onLambda: boolean,
  { endpoint, headers, share, delta }: OtelSettings,
  log: Log,
): Promise<Telemetry> {
  const { spanIntervalMs, metricIntervalMs, requestTimeoutMs } = onLambda ? LAMBDA_TIMING : SERVER_TIMING;
  const agent = await createAgent(endpoint);
  const options = { headers, timeoutMillis: requestTimeoutMs, httpAgentOptions: () => agent };

  const failing = new Set<string>();
  const spanExporter = new OTLPTraceExporter({ ...options, url: `${endpoint}/v1/traces` });
  logOutages('traces', spanExporter, (spans) => spans.length, failing, log);
  const spans = new BatchSpanProcessor({
    exporter: spanExporter,
    scheduledDelayMillis: spanIntervalMs,
    exportTimeoutMillis: metricIntervalMs,
  });
  const tracers = new TracerProvider({
    resource,
    sampler: new ParentBasedSampler({ root: new TraceIdRatioBasedSampler(share) }),
    spanLimits: { attributeValueLengthLimit: MAX_ATTRIBUTE_LENGTH },
    spanProcessors: [spans],
  });

  const { DELTA, CUMULATIVE } = AggregationTemporalityPreference;
  const metricExporter = new OTLPMetricExporter({
    ...options,
    url: `${endpoint}/v1/metrics`,
    temporalityPreference: delta ? DELTA : CUMULATIVE,
  });
  logOutages('metrics', metricExporter, countPoints, failing, log);
  const metrics = new PeriodicExportingMetricReader({
    exporter: metricExporter,
    exportIntervalMillis: metricIntervalMs,
    exportTimeoutMillis: metricIntervalMs,
  });
  const meters = new MeterProvider({ resource, readers: [metrics] });
  logDiagnostics(failing, log);

  let running: Promise<void> | undefined;
  let metricsEpochMs = 0;
  let usedEpochMs = Date.now();
  let lateFlushes = 0;
  let pausedUntilEpochMs = 0;
  let lateLogged = false;

  /** One export at a time. Meanwhile spans wait in the queue, which holds 2,048. */
  const exportAll = () => {
    if (running) return running;
    const nowEpochMs = Date.now();
    usedEpochMs = nowEpochMs;
    const metricsDue = nowEpochMs - metricsEpochMs >= LAMBDA_METRIC_INTERVAL_MS;
    if (metricsDue) metricsEpochMs = nowEpochMs;
    // `logOutages` logs failures.
    running = Promise.allSettled([spans.forceFlush(), metricsDue && metrics.forceFlush()]).then(() => {
      running = undefined;
      usedEpochMs = Date.now();
    });
    return running;
  };
  /** Closing a connection makes the SDK retry what was sent over it. */
  const replaceSilentConnection = async () => {
    const silent = () => Date.now() - usedEpochMs > MAX_SILENCE_MS;
    if (!silent()) return;
    // A response that arrived during the freeze is read first.
    await nextLoopTurn();
    if (!silent()) return;
    agent.destroy();
    usedEpochMs = Date.now();
  };

  return {
    tracers,
    meters,
    async flush() {
      if (Date.now() < pausedUntilEpochMs) return;
      await replaceSilentConnection();
      // An export that is running does not contain the latest spans.
      if (await endsWithin((running ?? Promise.resolve()).then(exportAll), RESPONSE_WAIT_MS)) {
        lateFlushes = 0;
        lateLogged = false;
        return;
      }
      lateFlushes++;
      if (lateFlushes < MAX_LATE_FLUSHES) return;
      lateFlushes = 0;
      pausedUntilEpochMs = Date.now() + PAUSE_MS;
      if (lateLogged) return;
      lateLogged = true;
      const late = `no response within ${RESPONSE_WAIT_MS} ms, ${MAX_LATE_FLUSHES} times`;
      log.warn('the collector does not respond in time; most requests do not wait for it', { error: late });
    },
    async stop() {
      await endsWithin(Promise.allSettled([tracers.shutdown(), meters.shutdown()]), SHUTDOWN_WAIT_MS);
    },
  };
}

/** One connection for traces and metrics. TLS is loaded only if it is used, since that takes some milliseconds of a cold start. */
async function createAgent(endpoint: string): Promise<Agent> {
  const { Agent } = await (endpoint.startsWith('https:') ? import('node:https') : import('node:http'));
  return new Agent({ keepAlive: true, maxSockets: 1, timeout: MAX_SILENCE_MS });
}

function countPoints({ scopeMetrics }: ResourceMetrics): number {
  const metrics = scopeMetrics.flatMap((scope) => scope.metrics);
  return metrics.reduce((sum, { dataPoints }) => sum + dataPoints.length, 0);
}

interface Exporter<Items> {
  export(items: Items, done: (result: ExportResult) => void): void;
}

/**
 * Logs when the collector stops accepting a signal, and when it accepts the signal again.
 *
 * @param failing contains the signals that the collector does not accept now
 */
function logOutages<Items>(
  signal: 'traces' | 'metrics',
  exporter: Exporter<Items>,
  count: (items: Items) => number,
  failing: Set<string>,
  log: Log,
): void {
  const send = exporter.export.bind(exporter);
  let dropped = 0;
  exporter.export = (items, done) => {
    send(items, (result) => {
      const failed = result.code !== ExportResultCode.SUCCESS;
      if (failed) dropped += count(items);
      if (failed && !failing.has(signal)) {
        const error = reasonOf(result.error);
        log.warn(`the collector does not accept ${signal}; they are dropped`, { error, dropped });
        failing.add(signal);
      } else if (!failed && failing.delete(signal)) {
        log.info(`the collector accepts ${signal} again`, { dropped });
        dropped = 0;
      }
      done(result);
    });
  };
}

/** Omits the response's body, which the error contains as well. */
function reasonOf(error: (Error & { code?: unknown }) | undefined): string {
  if (typeof error?.code === 'number') return `status ${error.code}`;
  return typeof error?.code === 'string' ? error.code : (error?.message ?? 'unknown');
}

/**
 * Logs other problems that the SDK reports, such as spans dropped because the queue was full. While a signal is failing nothing is logged:
 * the SDK also reports each failed export, with the response's body.
 */
function logDiagnostics(failing: Set<string>, log: Log): void {
  let quietUntilEpochMs = 0;
  const write = (...parts: unknown[]) => {
    if (failing.size > 0 || Date.now() < quietUntilEpochMs) return;
    quietUntilEpochMs = Date.now() + DIAGNOSTIC_INTERVAL_MS;
    const text = parts.filter((part) => typeof part === 'string').join(' ');
    log.warn('OpenTelemetry reports a problem', { error: text.slice(0, 500) });
  };
  const ignore = () => {};
  const logger = { error: write, warn: write, info: ignore, debug: ignore, verbose: ignore };
  diag.setLogger(logger, { logLevel: DiagLogLevel.WARN, suppressOverrideMessage: true });
}

/** Whether the work ends in time. */
function endsWithin(work: Promise<unknown>, timeoutMs: number): Promise<boolean> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, timeoutMs, false);
    work.then(() => {
      clearTimeout(timer);
      resolve(true);
    });
  });
}
