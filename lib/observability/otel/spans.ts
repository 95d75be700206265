import { AsyncLocalStorage } from 'node:async_hooks';
import {
  type Context,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  type Tracer,
  trace as traceApi,
} from '@opentelemetry/api';
import { W3CTraceContextPropagator } from '@opentelemetry/core';
import { ATTR_DB_SYSTEM_NAME } from '@opentelemetry/semantic-conventions';
import type { BackendTrace, RequestTrace } from '../../tracing-channels.ts';
import {
  backendAttributes,
  callerAttributes,
  httpAttributes,
  invocationAttributes,
  kindOf,
  REDIS,
  spanName,
  statusOf,
} from './attributes.ts';

const propagator = new W3CTraceContextPropagator();
const headersOf = {
  get: (carrier: unknown, name: string) =>
    (carrier as Record<string, string | undefined> | undefined)?.[name],
  keys: () => [],
};

/** The current request. */
interface Current {
  /** Contains the request's span. */
  context: Context;
  nowEpochMs: () => number;
}

/**
 * Creates the listeners that record a span for each request, in its caller's trace, with a child span for each of its backend
 * operations. The value that `startRequest` returns must be in `current` while the request is processed.
 */
export function createSpans(tracer: Tracer, onLambda: boolean) {
  const current = new AsyncLocalStorage<unknown>();
  const spans = new WeakMap<object, { span: Span; nowEpochMs: Current['nowEpochMs'] }>();
  let coldStart = true;
  return {
    current,
    startRequest(trace: RequestTrace): Current {
      const caller = propagator.extract(ROOT_CONTEXT, trace.request.event.headers, headersOf);
      const nowEpochMs = startClock();
      const options = { kind: SpanKind.SERVER, startTime: nowEpochMs() };
      const span = tracer.startSpan(spanName(kindOf(trace)), options, caller);
      spans.set(trace, { span, nowEpochMs });
      if (onLambda) span.setAttributes(invocationAttributes(trace, coldStart));
      coldStart = false;
      return { context: traceApi.setSpan(caller, span), nowEpochMs };
    },
    endRequest(trace: RequestTrace): void {
      const { span, nowEpochMs } = spans.get(trace) ?? {};
      if (!span?.isRecording()) return;
      const status = statusOf(trace);
      span.setAttributes({ ...httpAttributes(kindOf(trace), status), ...callerAttributes(trace) });
      if (status >= 500) span.setStatus({ code: SpanStatusCode.ERROR });
      span.end(nowEpochMs?.());
    },
    startBackend(trace: BackendTrace): void {
      const request = current.getStore() as Current | undefined;
      // Operations of the process itself, such as reading the server's clock, belong to no trace.
      if (!request) return;
      const { context, nowEpochMs } = request;
      const attributes = { [ATTR_DB_SYSTEM_NAME]: REDIS };
      const options = { kind: SpanKind.CLIENT, startTime: nowEpochMs(), attributes };
      spans.set(trace, { span: tracer.startSpan(trace.command, options, context), nowEpochMs });
    },
    endBackend(trace: BackendTrace): void {
      const { span, nowEpochMs } = spans.get(trace) ?? {};
      span?.setAttributes(backendAttributes(trace));
      // The error's message is omitted, since it may contain keys.
      if (trace.error !== undefined) span?.setStatus({ code: SpanStatusCode.ERROR });
      span?.end(nowEpochMs?.());
    },
  };
}

/** A clock per request. `Date.now()` has whole milliseconds, so a child span could end after its parent. */
function startClock(): () => number {
  const offsetMs = Date.now() - performance.now();
  return () => offsetMs + performance.now();
}
