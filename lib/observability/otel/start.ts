import { randomUUID } from 'node:crypto';
import { defaultResource, type Resource, resourceFromAttributes } from '@opentelemetry/resources';
import { ATTR_SERVICE_INSTANCE_ID, ATTR_SERVICE_NAME } from '@opentelemetry/semantic-conventions';
import type { Config } from '../../config/config.ts';
import type { OtelSettings } from '../../config/otel.ts';
import type { Environment } from '../../config/parse.ts';
import type { Log } from '../../log/log.ts';
import {
  type BackendTrace,
  backendTraces,
  type RequestTrace,
  requestTraces,
} from '../../tracing-channels.ts';
import { createTelemetry, type Telemetry } from './export.ts';
import { createMetrics } from './metrics.ts';
import { createSpans } from './spans.ts';

const SCOPE = 'cache-service';

/**
 * Starts to record traces and metrics of all requests and backend operations, and to export them to a collector: on Lambda by `flush`
 * before each response, otherwise in the background. Requests do not fail because of it.
 */
export async function start(
  config: Pick<Config, 'serviceName' | 'onLambda'>,
  settings: OtelSettings,
  log: Log,
): Promise<Pick<Telemetry, 'flush' | 'stop'>> {
  const resource = describeProcess(config, process.env);
  const { tracers, meters, flush, stop } = await createTelemetry(resource, config.onLambda, settings, log);
  const spans = createSpans(tracers.getTracer(SCOPE), config.onLambda);
  const metrics = createMetrics(meters.getMeter(SCOPE));

  const onRequest = guard<RequestTrace>(log);
  requestTraces.start.bindStore(spans.current, onRequest(spans.startRequest));
  requestTraces.start.subscribe(onRequest(metrics.start));
  requestTraces.asyncEnd.subscribe(onRequest(spans.endRequest));
  requestTraces.asyncEnd.subscribe(onRequest(metrics.endRequest));
  const onBackend = guard<BackendTrace>(log);
  backendTraces.start.subscribe(onBackend(spans.startBackend));
  backendTraces.start.subscribe(onBackend(metrics.start));
  backendTraces.asyncEnd.subscribe(onBackend(spans.endBackend));
  backendTraces.asyncEnd.subscribe(onBackend(metrics.endBackend));
  return { flush, stop };
}

/** Wraps listeners: an error in one would end the process. The first error is logged, and the request continues. */
function guard<Trace>(log: Log) {
  let logged = false;
  return <Result>(listener: (trace: Trace) => Result) =>
    (message: unknown): Result | undefined => {
      try {
        return listener(message as Trace);
      } catch (error) {
        if (!logged) log.error('telemetry listener failed', { cause: error });
        logged = true;
        return undefined;
      }
    };
}

function describeProcess(
  { serviceName, onLambda }: Pick<Config, 'serviceName' | 'onLambda'>,
  env: Environment,
): Resource {
  const attributes = {
    [ATTR_SERVICE_NAME]: serviceName,
    // Distinguishes parallel processes. Otherwise a collector would treat their counters as one counter that is reset repeatedly.
    [ATTR_SERVICE_INSTANCE_ID]: randomUUID(),
    ...(onLambda && describeSandbox(env)),
  };
  return defaultResource().merge(resourceFromAttributes(attributes));
}

function describeSandbox(env: Environment): Record<string, string | number | undefined> {
  const memoryMb = Number(env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE);
  return {
    'cloud.provider': 'aws',
    'cloud.platform': 'aws_lambda',
    'cloud.region': env.AWS_REGION,
    'faas.name': env.AWS_LAMBDA_FUNCTION_NAME,
    'faas.version': env.AWS_LAMBDA_FUNCTION_VERSION,
    'faas.instance': env.AWS_LAMBDA_LOG_STREAM_NAME,
    'faas.max_memory': memoryMb > 0 ? memoryMb * 1024 ** 2 : undefined,
  };
}
