import { Metrics } from '@aws-lambda-powertools/metrics';
import type { Operation } from '../http/routes.ts';
import { type BackendTrace, backendCalls, onIncident, type RequestTrace } from './channels.ts';
import { METRICS, type MetricKey } from './metric-names.ts';

/** What a request adds to its metrics: a value, or several of one metric. */
type Values = Partial<Record<MetricKey, number | number[]>>;

/** When a backend call began. On the call itself: a weak map of what lives so shortly keeps the garbage collector busy. */
const BEGUN = Symbol('begun');
type Timed = BackendTrace & { [BEGUN]?: number };

/** CloudWatch takes no more values of one metric from a line. */
const MAX_VALUES = 100;

const SETS: readonly Operation[] = ['set', 'batch-set'];
const DELETES: readonly Operation[] = ['delete', 'batch-delete'];
const SWEEPS: readonly Operation[] = ['invalidate', 'clear-tenant'];

export interface MetricsSettings {
  /** Where CloudWatch keeps them. */
  namespace: string;
  serviceName: string;
}

/**
 * The metrics of each request in CloudWatch's embedded format, to stand on the request's line in the log: nothing is held back
 * that would be lost with a frozen function, and of what a line costs most is there already.
 */
export class RequestMetrics {
  readonly #settings: MetricsSettings;
  /**
   * What is said of the metrics of a line, as JSON, by which they are. It is the same each time, and Powertools takes 10 µs
   * for it.
   */
  readonly #directives = new Map<string, string>();
  /** What has come since the last line. */
  #backendTimes: number[] = [];
  #savedBytes = 0;
  #reconnects = 0;

  /** Listens to backend calls and incidents from now on. */
  constructor(settings: MetricsSettings) {
    this.#settings = settings;
    backendCalls.start.subscribe((call) => {
      (call as Timed)[BEGUN] = performance.now();
    });
    backendCalls.asyncEnd.subscribe((call) => {
      const at = (call as Timed)[BEGUN];
      // Of an invalidation's thousands of calls the first tell enough.
      if (at === undefined || this.#backendTimes.length === MAX_VALUES) return;
      this.#backendTimes.push(Math.round((performance.now() - at) * 1000) / 1000);
    });
    onIncident((incident) => {
      if (incident.type === 'compressed') this.#savedBytes += incident.savedBytes;
      else this.#reconnects++;
    });
  }

  /** Members of a JSON object, to stand on a line beside those that its dimensions name. */
  of(trace: RequestTrace, milliseconds: number): string {
    const values = valuesOf(trace, milliseconds);
    this.#addOthers(values);
    let members = '';
    let id = '';
    for (const key in values) {
      const value = values[key as MetricKey];
      members += `"${METRICS[key as MetricKey].name}":${typeof value === 'number' ? value : JSON.stringify(value)},`;
      id += `${key},`;
    }
    let directives = this.#directives.get(id);
    if (directives === undefined) {
      const groups = Map.groupBy(Object.keys(values) as MetricKey[], (key) => METRICS[key].dimensions);
      directives = JSON.stringify([...groups].map(([dimensions, keys]) => this.#directive(dimensions, keys)));
      this.#directives.set(id, directives);
    }
    return `${members}"_aws":{"Timestamp":${Date.now()},"CloudWatchMetrics":${directives}}`;
  }

  /** What has come since the last line. */
  #addOthers(values: Values): void {
    const times = this.#backendTimes;
    if (times.length > 0) {
      values.backendTime = times.length === 1 ? (times[0] as number) : times;
      this.#backendTimes = [];
    }
    if (this.#savedBytes > 0) values.compressionSaved = this.#savedBytes;
    if (this.#reconnects > 0) values.reconnects = this.#reconnects;
    this.#savedBytes = 0;
    this.#reconnects = 0;
  }

  /** @param keys of metrics with these dimensions */
  #directive(dimensions: readonly string[], keys: MetricKey[]): unknown {
    const metrics = new Metrics(this.#settings);
    // It has the service by itself. The line itself holds the values, here is only told what they are.
    for (const dimension of dimensions)
      if (dimension !== 'service') metrics.addDimension(dimension, dimension);
    for (const key of keys) metrics.addMetric(METRICS[key].name, METRICS[key].unit, 0);
    return metrics.serializeMetrics()._aws.CloudWatchMetrics[0];
  }
}

/** What a request tells by itself, and its answer. */
function valuesOf({ operation, event }: RequestTrace, latency: number): Values {
  const { code, found, count, bytes, keys = 1, ...facts } = event.facts ?? {};
  const { hits = found ? 1 : 0, misses = found === false ? 1 : 0 } = facts;
  const values: Values = { latency };
  if (bytes !== undefined) values.valueBytes = bytes;
  if (hits > 0) values.hits = hits;
  if (misses > 0) values.misses = misses;
  if (SWEEPS.includes(operation) && count !== undefined) values.entriesInvalidated = count;
  if (code !== undefined) values.failures = 1;
  else if (SETS.includes(operation)) values.sets = keys;
  else if (DELETES.includes(operation)) values.deletes = keys;
  else if (SWEEPS.includes(operation)) values.invalidations = 1;
  return values;
}
