import { TraceFlags } from '@opentelemetry/api';
import { JsonTraceSerializer } from '@opentelemetry/otlp-transformer';
import type { ReadableSpan, SpanProcessor } from '@opentelemetry/sdk-trace';
import type { Parcel, Source } from './exporter.ts';

/** Spans that wait to be sent, at most: some 2 MB. */
const MAX_WAITING = 2048;

/** Spans a parcel, at most; so many are sent without waiting for more. */
export const PARCEL_SPANS = 512;

/** Gathers the spans that have ended. When it is full, what comes is dropped: what began a trouble tells more than its middle. */
export class SpanQueue implements SpanProcessor, Source {
  readonly name = 'traces';
  #waiting: ReadableSpan[] = [];
  #overflowed = 0;
  /** Called when there is enough for a whole parcel. */
  onParcel: () => void = () => {};

  onStart(): void {}

  onEnd(span: ReadableSpan): void {
    if (!(span.spanContext().traceFlags & TraceFlags.SAMPLED)) return;
    if (this.#waiting.length >= MAX_WAITING) {
      this.#overflowed++;
      return;
    }
    this.#waiting.push(span);
    if (this.#waiting.length % PARCEL_SPANS === 0) this.onParcel();
  }

  due(): boolean {
    return this.#waiting.length > 0;
  }

  async take(): Promise<Parcel | undefined> {
    if (this.#waiting.length === 0) return undefined;
    const spans = this.#waiting.splice(0, PARCEL_SPANS);
    const body = JsonTraceSerializer.serializeRequest(spans);
    return body && { body, items: spans.length };
  }

  overflowed(): number {
    const count = this.#overflowed;
    this.#overflowed = 0;
    return count;
  }

  async forceFlush(): Promise<void> {}

  async shutdown(): Promise<void> {}
}
