import type { Config } from '../config/config.ts';
import type { Log } from '../log/log.ts';
import type { Sink } from '../log/sink.ts';
import type { RequestContext } from '../request-context.ts';
import { routeNamed } from '../routes.ts';
import { emfMembers } from './emf.ts';
import { metricValues } from './metrics.ts';

type Settings = Pick<Config, 'logLevel' | 'metricsNamespace' | 'onLambda' | 'serviceName'>;

/**
 * Writes one line for each request at INFO. The metrics stand on the same line, since most of what a line costs is there
 * already; where the level is above INFO, they stand on a line of their own.
 */
export class RequestLog {
  readonly #settings: Settings;
  readonly #log: Log;
  readonly #write: Sink;
  readonly #writesInfo: boolean;
  #isFirst = true;
  /** Reconnects since the last line: a connection belongs to no request. */
  #reconnects = 0;

  constructor(settings: Settings, log: Log, write: Sink) {
    this.#settings = settings;
    this.#log = log;
    this.#write = write;
    this.#writesInfo = settings.logLevel === 'INFO' || settings.logLevel === 'DEBUG';
  }

  /** Counts a connection to the backend that replaced a lost one. */
  countReconnect(): void {
    this.#reconnects++;
  }

  /** @param status of the response */
  write(request: RequestContext, status: number): void {
    const durationMs = Math.round((performance.now() - request.startedMonotonicMs) * 1000) / 1000;
    const metrics = this.#metricsOf(request, durationMs);
    if (this.#writesInfo) {
      const { operation, event, logFields, correlationId, requestId } = request;
      this.#log.info('request', {
        operation,
        tenant: request.tenant || undefined,
        user: event.headers['x-user-id'],
        status,
        ...logFields,
        duration_ms: durationMs,
        cold_start: this.#settings.onLambda ? this.#isFirst : undefined,
        correlation_id: correlationId,
        request_id: requestId,
        // Also on API Gateway's own line about this request.
        gateway_request_id: event.requestContext?.requestId,
        ...metrics,
      });
    } else if (metrics) {
      const { operation, logFields } = request;
      const dimensions = { service: this.#settings.serviceName, operation, code: logFields.code };
      this.#write(`${JSON.stringify({ ...dimensions, ...metrics })}\n`);
    }
    this.#isFirst = false;
  }

  /** Functions without a backend publish no metrics: each combination of dimensions is paid for. */
  #metricsOf(request: RequestContext, durationMs: number): object | undefined {
    const { metricsNamespace } = this.#settings;
    if (metricsNamespace === undefined || routeNamed(request.operation).backend === false) return undefined;
    const values = metricValues(request, durationMs);
    if (this.#reconnects > 0) values.reconnects = this.#reconnects;
    this.#reconnects = 0;
    return emfMembers(metricsNamespace, values);
  }
}
