import type { Config } from '../config/config.ts';
import { createLog, type Log } from '../log/log.ts';
import type { Sink } from '../log/sink.ts';
import { type RequestTrace, requests } from './channels.ts';

/** Makes the metrics of a request that has an answer: members of a JSON object, without its braces. */
export type Measure = (trace: RequestTrace, milliseconds: number) => string;

type Settings = Pick<Config, 'logLevel' | 'onLambda' | 'serviceName'>;

/** Writes a line for each request, at INFO. Metrics, where there are any, stand on it, and alone where the level is above that. */
export class RequestLog {
  readonly #log: Log;
  readonly #write: Sink;
  readonly #settings: Settings;
  readonly #isWritten: boolean;
  #measure: Measure | undefined;
  /** Of the request whose line is being written. Its members are added as the text that they are. */
  #metrics: string | undefined;
  /** Whether the next request is the first. */
  #cold = true;

  constructor(settings: Settings, write: Sink) {
    this.#settings = settings;
    this.#write = write;
    this.#log = createLog(settings, (line) => {
      write(this.#metrics === undefined ? line : `${line.slice(0, -'}\n'.length)},${this.#metrics}}\n`);
    });
    this.#isWritten = settings.logLevel === 'INFO' || settings.logLevel === 'DEBUG';
    requests.asyncEnd.subscribe((trace) => this.#tell(trace as RequestTrace));
  }

  /** Has metrics put on each line from now on. */
  measureBy(measure: Measure): void {
    this.#measure = measure;
  }

  #tell(trace: RequestTrace): void {
    const { operation, event, result } = trace;
    const milliseconds = Math.round((performance.now() - event.startedAt) * 1000) / 1000;
    this.#metrics = this.#measure?.(trace, milliseconds);
    if (this.#isWritten) {
      this.#log.info('request', {
        operation,
        tenant: event.tenant || undefined,
        user: event.headers['x-user-id'],
        status: result?.statusCode,
        ...event.facts,
        duration_ms: milliseconds,
        cold_start: this.#settings.onLambda ? this.#cold : undefined,
        correlation_id: event.ids?.correlationId,
        request_id: event.ids?.requestId,
        // By which this line and the gateway's own about the same request find each other.
        gateway_request_id: event.requestContext?.requestId,
      });
    } else if (this.#metrics !== undefined) {
      const dimensions = { service: this.#settings.serviceName, operation, code: event.facts?.code };
      this.#write(`${JSON.stringify(dimensions).slice(0, -1)},${this.#metrics}}\n`);
    }
    this.#cold = false;
  }
}
