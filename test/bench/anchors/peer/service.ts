import { randomUUID } from 'node:crypto';
import { Logger } from '@aws-lambda-powertools/logger';
import { injectLambdaContext } from '@aws-lambda-powertools/logger/middleware';
import { Metrics, MetricUnit } from '@aws-lambda-powertools/metrics';
import { logMetrics } from '@aws-lambda-powertools/metrics/middleware';
import type { MiddlewareObj } from '@middy/core';
import httpErrorHandler from '@middy/http-error-handler';
import { createError } from '@middy/util';
import type { APIGatewayProxyEventV2, APIGatewayProxyStructuredResultV2, Context } from 'aws-lambda';
import { Redis } from 'ioredis';

/**
 * The standard parts: a cache service as most people would write it. middy, its middlewares, Powertools and ioredis are used as their
 * documentation shows, with default options. It has the envelope, the checks, the log line and the metrics of this service's get and
 * set, and nothing beyond them: no indexes, no deadlines, no compression.
 */

/** Context of a request, to which {@link identify} adds the identifiers of the envelope. */
export interface RequestContext extends Context {
  tenant: string;
  correlationId: string;
  startedMs: number;
}

export type Event = APIGatewayProxyEventV2;
export type Response = APIGatewayProxyStructuredResultV2;
type Middleware = MiddlewareObj<Event, Response, Error, RequestContext>;

const SERVICE = 'cache-service';

const logger = new Logger({ serviceName: SERVICE });
const metrics = new Metrics({ serviceName: SERVICE, namespace: process.env.METRICS_NAMESPACE ?? '' });

export const redis = new Redis(process.env.DRAGONFLY_URL ?? '');

/** The key of an entry in the backend. */
export const entryKey = (tenant: string, key: string) => `${tenant}:${key}`;

const identify: Middleware = {
  before: ({ event, context }) => {
    context.startedMs = performance.now();
    context.correlationId = event.headers['x-correlation-id'] ?? randomUUID();
    logger.setCorrelationId(context.correlationId);
    const tenant = event.headers['x-tenant-id'];
    if (!tenant) throw createError(401, 'X-Tenant-ID is required');
    context.tenant = tenant;
  },
};

const CODES: Record<number, string> = { 400: 'VALIDATION_ERROR', 401: 'MISSING_TENANT_ID' };

/** Logs and counts a failure, and puts its envelope into the message, from which http-error-handler makes the response. */
const failureEnvelope: Middleware = {
  onError: (request) => {
    const { context, error: thrown } = request;
    const { statusCode = 500, cause } = thrown as Error & { statusCode?: number };
    const isOurs = statusCode >= 500;
    const code = CODES[statusCode] ?? (isOurs ? 'INTERNAL_SERVER_ERROR' : 'BAD_REQUEST');
    metrics.addMetric('Failures', MetricUnit.Count, 1);
    if (isOurs) logger.error('request', thrown as Error);
    else logger.info('request', { status: statusCode, code });
    const error = {
      code,
      message: isOurs ? 'Internal error' : thrown?.message,
      // The issues of the checks.
      details: isOurs ? {} : { issues: (cause as { data?: unknown } | undefined)?.data },
    };
    const body = JSON.stringify({ success: false, error, ...trailer(context) });
    request.error = createError(statusCode, body, { expose: true });
  },
};

/** The middlewares of every function. */
export const common: Middleware[] = [
  injectLambdaContext(logger),
  logMetrics(metrics, { captureColdStartMetric: true }),
  // The handlers of errors run in reverse order.
  httpErrorHandler({ logger: false }),
  failureEnvelope,
  identify,
];

interface Outcome {
  operation: 'get' | 'set';
  status: 200 | 201;
  data: object;
  count: 'Hits' | 'Misses' | 'Sets';
}

/** Returns the response in the success envelope. Logs the request and counts it. */
export function respond(context: RequestContext, { operation, status, data, count }: Outcome): Response {
  const durationMs = performance.now() - context.startedMs;
  metrics.addDimension('operation', operation);
  metrics.addMetric('Latency', MetricUnit.Milliseconds, durationMs);
  metrics.addMetric(count, MetricUnit.Count, 1);
  logger.info('request', { operation, tenant: context.tenant, status, duration_ms: durationMs });
  return {
    statusCode: status,
    headers: { 'content-type': 'application/json', ...identifiers(context) },
    body: JSON.stringify({ success: true, data, message: null, ...trailer(context), metadata: {} }),
  };
}

function identifiers({ correlationId, awsRequestId }: RequestContext) {
  return { 'x-correlation-id': correlationId, 'x-request-id': awsRequestId };
}

function trailer({ correlationId, awsRequestId }: RequestContext) {
  return {
    correlation_id: correlationId,
    request_id: awsRequestId,
    timestamp: new Date().toISOString(),
  };
}
