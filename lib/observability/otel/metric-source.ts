import { JsonMetricsSerializer } from '@opentelemetry/otlp-transformer';
import { AggregationTemporality, MetricReader } from '@opentelemetry/sdk-metrics';
import type { Parcel, Source } from './exporter.ts';

/** Reads all metrics, at most once in an interval. */
export class MetricSource extends MetricReader implements Source {
  readonly name = 'metrics';
  readonly #intervalMs: number;
  #takenAt = 0;

  /** @param intervalMs between two readings, in milliseconds */
  constructor(intervalMs: number, delta: boolean) {
    const temporality = delta ? AggregationTemporality.DELTA : AggregationTemporality.CUMULATIVE;
    super({ aggregationTemporalitySelector: () => temporality });
    this.#intervalMs = intervalMs;
  }

  due(all: boolean): boolean {
    return all || Date.now() - this.#takenAt >= this.#intervalMs;
  }

  async take(all: boolean): Promise<Parcel | undefined> {
    if (!this.due(all)) return undefined;
    const now = Date.now();
    const { resourceMetrics } = await this.collect();
    const items = resourceMetrics.scopeMetrics
      .flatMap(({ metrics }) => metrics)
      .reduce((sum, { dataPoints }) => sum + dataPoints.length, 0);
    if (items === 0) return undefined;
    this.#takenAt = now;
    const body = JsonMetricsSerializer.serializeRequest(resourceMetrics);
    return body && { body, items };
  }

  overflowed(): number {
    return 0;
  }

  protected override async onForceFlush(): Promise<void> {}

  protected override async onShutdown(): Promise<void> {}
}
