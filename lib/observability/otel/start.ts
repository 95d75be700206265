import { MeterProvider } from '@opentelemetry/sdk-metrics';
import { ParentBasedSampler, TraceIdRatioBasedSampler, TracerProvider } from '@opentelemetry/sdk-trace';
import type { Config } from '../../config/config.ts';
import type { OtelSettings } from '../../config/otel.ts';
import type { Log } from '../../log/log.ts';
import { Exporter, type Source } from './exporter.ts';
import { MetricSource } from './metric-source.ts';
import { measureRequests } from './metrics.ts';
import { describeProcess } from './resource.ts';
import { Sender } from './sender.ts';
import { SpanQueue } from './span-queue.ts';
import { traceRequests } from './spans.ts';

/** What a function's answer waits for a collector, at most, in milliseconds. */
const ANSWER_WAIT_MS = 50;

/** What the end of a process waits for a collector, at most, in milliseconds. */
const END_WAIT_MS = 2000;

/** A request to a collector that takes longer, in milliseconds, is given up. */
const TIMEOUT_MS = 5000;

/** Between two looks for what there is to send, in milliseconds, in a process that is never frozen. */
const BACKGROUND_INTERVAL_MS = 1000;

/**
 * Between two readings of the metrics, in milliseconds. What a function's sandbox has not sent when it is given up, of which
 * it is not told, is lost: so it sends more often.
 */
const METRICS_INTERVAL_MS = { server: 60_000, lambda: 5000 };

/** The longest that an attribute of a span may be, in characters: some are as callers send them. */
const MAX_ATTRIBUTE_LENGTH = 256;

const SCOPE = 'cache-service';

/**
 * Starts to trace and measure all requests, and to send that to a collector: in a function before each answer, otherwise in
 * the background. No request fails for it.
 *
 * `flush` sends what there is before a function's response; `stop` sends the rest, within two seconds, when the process ends.
 */
export async function start(
  config: Pick<Config, 'serviceName' | 'onLambda'>,
  { endpoint, headers, share, delta }: OtelSettings,
  log: Log,
): Promise<{ flush: () => Promise<void>; stop: () => Promise<void> }> {
  const { onLambda } = config;
  const spans = new SpanQueue();
  const metrics = new MetricSource(METRICS_INTERVAL_MS[onLambda ? 'lambda' : 'server'], delta);
  const exporterOf = async (source: Source) => {
    const url = `${endpoint}/v1/${source.name}`;
    return new Exporter(source, await Sender.open({ url, headers, timeoutMs: TIMEOUT_MS }), log);
  };
  const exporters = await Promise.all([spans, metrics].map(exporterOf));

  const resource = describeProcess(config, process.env);
  const tracers = new TracerProvider({
    resource,
    sampler: new ParentBasedSampler({ root: new TraceIdRatioBasedSampler(share) }),
    spanLimits: { attributeValueLengthLimit: MAX_ATTRIBUTE_LENGTH },
    spanProcessors: [spans],
  });
  const meters = new MeterProvider({ resource, readers: [metrics] });
  traceRequests(tracers.getTracer(SCOPE), log, config);
  measureRequests(meters.getMeter(SCOPE), log);

  const flushAll = async (waitMs: number, all = false) => {
    await Promise.all(exporters.map((exporter) => exporter.flush(waitMs, all)));
  };
  if (!onLambda) {
    const inBackground = () => {
      for (const exporter of exporters) exporter.begin();
    };
    spans.onParcel = inBackground;
    setInterval(inBackground, BACKGROUND_INTERVAL_MS).unref();
  }
  return {
    flush: () => flushAll(ANSWER_WAIT_MS),
    stop: async () => {
      await flushAll(END_WAIT_MS, true);
      for (const exporter of exporters) exporter.close();
    },
  };
}
