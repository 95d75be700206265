import middy from '@middy/core';
import type { APIGatewayProxyEventV2, Context } from 'aws-lambda';
import type { Config } from '../config/config.ts';
import { InternalError, LeaseLostError, ServiceError } from '../errors.ts';
import type { Log } from '../log/log.ts';
import type { RequestLog } from '../observability/request-log.ts';
import { type RequestContext, runForRequest } from '../request-context.ts';
import { type Operation, routeNamed } from '../routes.ts';
import { requestTraces } from '../tracing-channels.ts';
import { createRequestContext, type Middleware, type MiddlewareContext } from './request.ts';
import {
  type Answer,
  failureResponse,
  type HttpResponse,
  rateLimitHeaders,
  successResponse,
  withoutBody,
} from './response.ts';
import { readTenant } from './tenant.ts';

interface EndpointOptions<Input> {
  /** Reads the body, see `jsonBody`. */
  body?: Middleware;
  /** Reads and checks what the endpoint needs of the request. @throws ServiceError when it is invalid */
  input: (request: RequestContext) => Input;
}

/** A function as Lambda invokes it. */
export type LambdaHandler = (event: unknown, context: Context) => Promise<HttpResponse>;

/** Runs the work of a request that has a tenant, within the tenant's limits. @throws TenantRateLimitedError */
export type WithinLimits = <T>(request: RequestContext, work: () => Promise<T>) => Promise<T>;

/** What every endpoint of a process shares. */
interface EndpointServices {
  config: Pick<Config, 'backendTimeoutMs' | 'tenantClaim'>;
  log: Log;
  requestLog: RequestLog;
  withinLimits: WithinLimits;
  /** Sends buffered events and traces. Awaited before each response, because Lambda freezes the function after it. Never rejects. */
  flush: () => Promise<unknown> | undefined;
}

/**
 * Creates the function that turns an endpoint into a Lambda function. Tenant, body and input are read and checked, in this
 * order, before `run` is called. The result or the error of `run` becomes a response in the contract's envelope and one log line.
 */
export function createEndpoints({ config, log, requestLog, withinLimits, flush }: EndpointServices) {
  return function endpoint<Input>(
    operation: Operation,
    { body, input }: EndpointOptions<Input>,
    run: (request: RequestContext, input: Input) => Promise<Answer>,
  ): LambdaHandler {
    // No early timeout: every operation has its own deadline. A timeout here would leave commands behind whose timers end a
    // healthy connection after the next thaw.
    const pipeline = middy<APIGatewayProxyEventV2, HttpResponse, Error, MiddlewareContext>({
      timeoutEarlyInMillis: 0,
    })
      .use(respondToErrors(log))
      .use(routeNamed(operation).tenant ? [readTenant(config.tenantClaim)] : [])
      .use(body ?? [])
      .handler(async (_event, { request }) => {
        const given = input(request);
        const answer = request.tenant
          ? await withinLimits(request, () => run(request, given))
          : await run(request, given);
        return successResponse(answer, request);
      });

    requestLog.started();
    return (given, lambda) => {
      const request = createRequestContext(operation, given, lambda, config.backendTimeoutMs);
      return runForRequest(request, async () => {
        // A copy: the body parser replaces the body.
        const respond = () => pipeline({ ...request.event }, { ...lambda, request });
        const response = requestTraces.hasSubscribers
          ? await requestTraces.tracePromise(respond, { request })
          : await respond();
        requestLog.write(request, response.statusCode);
        await flush();
        if (request.rate) Object.assign(response.headers, rateLimitHeaders(request.rate));
        return request.event.requestContext?.http?.method === 'HEAD' ? withoutBody(response) : response;
      });
    };
  };
}

/** The only place where errors become responses. Details of unknown errors appear only in the log. */
function respondToErrors(log: Log): Middleware {
  return {
    onError: (middyRequest) => {
      const { error: thrown, context } = middyRequest;
      const { request } = context;
      const error = thrown instanceof ServiceError ? thrown : new InternalError(thrown);
      if (error.status >= 500) {
        const { operation, correlationId } = request;
        log.error(error.code, { operation, correlation_id: correlationId, cause: error.cause });
      }
      // An invalidation that ran out of time has a count: the entries that it removed.
      const { count } = error.details;
      request.logFields = { code: error.code, ...(typeof count === 'number' && { count }) };
      request.counters = error instanceof LeaseLostError ? { fillsRejected: 1 } : {};
      middyRequest.response = failureResponse(error, request);
    },
  };
}
