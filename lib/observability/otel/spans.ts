import { AsyncLocalStorage } from 'node:async_hooks';
import {
  type Attributes,
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
import type { Log } from '../../log/log.ts';
import { type BackendTrace, backendTraces, type RequestTrace, requestTraces } from '../tracing-channels.ts';
import { callAttributes, REDIS } from './backend-facts.ts';
import { guarded } from './guarded.ts';
import * as names from './names.ts';
import { callerAttributes, httpAttributes, kindOf, spanName, statusOf } from './request-facts.ts';

const propagator = new W3CTraceContextPropagator();
const headersOf = {
  get: (carrier: unknown, name: string) =>
    (carrier as Record<string, string | undefined> | undefined)?.[name],
  keys: () => [],
};

/** What the code that runs for a request finds of it. */
interface Following {
  /** With the request's span in it. */
  context: Context;
  /** Epoch milliseconds, with fractions. */
  now(): number;
}

/** Makes a span of each request, in the trace that its caller has begun, and below it one of each of its backend calls. */
export function traceRequests(tracer: Tracer, log: Log, { onLambda }: { onLambda: boolean }): void {
  const current = new AsyncLocalStorage<unknown>();
  const spans = new WeakMap<object, { span: Span; now: Following['now'] }>();
  let coldstart = true;

  const begin = (trace: RequestTrace): Following => {
    const caller = propagator.extract(ROOT_CONTEXT, trace.request.event.headers, headersOf);
    const now = startClock();
    const span = tracer.startSpan(
      spanName(kindOf(trace)),
      { kind: SpanKind.SERVER, startTime: now() },
      caller,
    );
    spans.set(trace, { span, now });
    if (onLambda) span.setAttributes(invocation(trace, coldstart));
    coldstart = false;
    return { context: traceApi.setSpan(caller, span), now };
  };
  const end = (trace: RequestTrace): void => {
    const { span, now } = spans.get(trace) ?? {};
    if (!span?.isRecording()) return;
    const status = statusOf(trace);
    span.setAttributes({ ...httpAttributes(kindOf(trace), status), ...callerAttributes(trace) });
    if (status >= 500) span.setStatus({ code: SpanStatusCode.ERROR });
    span.end(now?.());
  };
  const beginCall = (call: BackendTrace): void => {
    const request = current.getStore() as Following | undefined;
    // What the process does for itself, such as to connect, belongs to no trace.
    if (!request) return;
    const { context, now } = request;
    const options = {
      kind: SpanKind.CLIENT,
      startTime: now(),
      attributes: { [ATTR_DB_SYSTEM_NAME]: REDIS },
    };
    spans.set(call, { span: tracer.startSpan(call.command, options, context), now });
  };
  const endCall = (call: BackendTrace): void => {
    const { span, now } = spans.get(call) ?? {};
    span?.setAttributes(callAttributes(call));
    // Without its message, which is the backend's and may name keys.
    if (call.error !== undefined) span?.setStatus({ code: SpanStatusCode.ERROR });
    span?.end(now?.());
  };

  requestTraces.start.bindStore(current, guarded(log, begin));
  requestTraces.asyncEnd.subscribe(guarded(log, (message) => end(message as RequestTrace)));
  backendTraces.start.subscribe(guarded(log, (message) => beginCall(message as BackendTrace)));
  backendTraces.asyncEnd.subscribe(guarded(log, (message) => endCall(message as BackendTrace)));
}

function invocation({ request }: RequestTrace, coldstart: boolean): Attributes {
  return {
    [names.FAAS_TRIGGER]: 'http',
    [names.FAAS_COLDSTART]: coldstart,
    [names.FAAS_INVOCATION_ID]: request.lambda.awsRequestId,
  };
}

/** One clock a request: the time of day goes by whole milliseconds, in which a call could seem to outlast its request. */
function startClock(): () => number {
  const offset = Date.now() - performance.now();
  return () => offset + performance.now();
}
