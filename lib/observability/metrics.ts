import { AsyncLocalStorage } from 'node:async_hooks';
import { Metrics } from '@aws-lambda-powertools/metrics';
import { routeNamed } from '../routes.ts';
import { type BackendTrace, backendCalls, onIncident, type RequestTrace, requests } from './channels.ts';
import { METRICS, type MetricKey } from './metric-names.ts';

/** What a request adds to its metrics: a value, or several of one metric. */
type Values = Partial<Record<MetricKey, number | number[]>>;

/** What a request's metrics take from the backend calls and the stores that work for it. */
interface BackendWork {
  /** In milliseconds, at most `MAX_VALUES` of them. */
  callTimes: number[];
  savedBytes: number;
}

/**
 * When a backend call began and for which request. On the call itself: a weak map of what lives so shortly keeps the garbage
 * collector busy.
 */
const BEGUN = Symbol('begun');
type TimedCall = BackendTrace & { [BEGUN]?: { atMonotonicMs: number; work: BackendWork } };
const WORK = Symbol('work');
type WorkingRequest = RequestTrace & { [WORK]?: BackendWork };

/** CloudWatch takes no more values of one metric from a line. */
const MAX_VALUES = 100;

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
  /** Since the last line: a connection belongs to no request. */
  #reconnects = 0;

  /** Listens to backend calls and incidents from now on. */
  constructor(settings: MetricsSettings) {
    this.#settings = settings;
    // Requests run side by side in one process, and each owns its times.
    const current = new AsyncLocalStorage<unknown>();
    requests.start.bindStore(current, (trace): BackendWork => {
      const work: BackendWork = { callTimes: [], savedBytes: 0 };
      (trace as WorkingRequest)[WORK] = work;
      return work;
    });
    backendCalls.start.subscribe((call) => {
      const work = current.getStore() as BackendWork | undefined;
      if (work) (call as TimedCall)[BEGUN] = { atMonotonicMs: performance.now(), work };
    });
    backendCalls.asyncEnd.subscribe((call) => {
      const begun = (call as TimedCall)[BEGUN];
      // The first of an invalidation's thousands of calls are enough.
      if (begun === undefined || begun.work.callTimes.length === MAX_VALUES) return;
      begun.work.callTimes.push(Math.round((performance.now() - begun.atMonotonicMs) * 1000) / 1000);
    });
    onIncident((incident) => {
      if (incident.type === 'reconnected') this.#reconnects++;
      else {
        const work = current.getStore() as BackendWork | undefined;
        if (work) work.savedBytes += incident.savedBytes;
      }
    });
  }

  /** Members of a JSON object, to stand on a line beside those that its dimensions name. */
  of(trace: RequestTrace, milliseconds: number): string {
    const values = valuesOf(trace, milliseconds);
    this.#addOthers(values, trace);
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

  #addOthers(values: Values, { [WORK]: work }: WorkingRequest): void {
    const { callTimes = [], savedBytes = 0 } = work ?? {};
    if (callTimes.length > 0) values.backendTime = callTimes.length === 1 ? callTimes[0] : callTimes;
    if (savedBytes > 0) values.compressionSaved = savedBytes;
    if (this.#reconnects > 0) values.reconnects = this.#reconnects;
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
  const { code, found, count, bytes, ...facts } = event.facts ?? {};
  const { hits = found ? 1 : 0, misses = found === false ? 1 : 0 } = facts;
  const values: Values = { latency };
  if (bytes !== undefined) values.valueBytes = bytes;
  if (hits > 0) values.hits = hits;
  if (misses > 0) values.misses = misses;
  const { sets, deletes } = event.counts ?? {};
  if (sets !== undefined) values.sets = sets;
  if (deletes !== undefined) values.deletes = deletes;
  const isSweep = routeNamed(operation).kind === 'sweep';
  if (isSweep && count !== undefined) values.entriesInvalidated = count;
  if (code !== undefined) values.failures = 1;
  else if (isSweep) values.invalidations = 1;
  return values;
}
