import { setTimeout as sleep } from 'node:timers/promises';
import { readConfig } from '../../../lib/config/config.ts';
import type { Call, Caller, HttpResponse } from './caller.ts';
import { check } from './checker.ts';
import { now } from './clock.ts';
import { emptyFigures, type Figures, type OperationName } from './figures.ts';
import type { HistoryEvent } from './history.ts';
import { judgeFailure } from './judge.ts';
import { watchLag } from './lag.ts';
import { Mix, type MixOptions } from './mix.ts';

export interface LoadOptions extends MixOptions {
  /** Number of concurrent callers. Each sends one request after another. */
  callers?: number;
  /** Maximum pause of a caller between a response and its next request, in milliseconds. */
  pauseMs?: number;
  /** Time after the end of a fault in which it still explains failures, in milliseconds. */
  graceMs?: number;
  /** Operations that must succeed before the service counts as recovered. */
  recovery?: readonly OperationName[];
}

/** The time of a fault. */
interface Fault {
  from: number;
  to: number;
  /** Time from its end until each operation succeeded without failing again, in milliseconds. */
  recovered: Map<OperationName, number>;
  /** Time of the last failure of a request that began after its end. */
  lastFailure: number;
}

interface Failure {
  began: number;
  ended: number;
  what: string;
}

/** Default of `graceMs`. After a fault, a request may have to wait for the next connection attempt. */
const GRACE_MS = 3000;
/** Timeout for the recovery of the service, in milliseconds. */
const RECOVERY_MS = 30_000;
/** The service counts as recovered after this time without a failure, in milliseconds. On a cluster some keys may recover later than others. */
const SETTLED_MS = 300;
/** A failure after this time counts as a timeout. Sets time out 50 ms earlier than other operations. */
const TIMEOUT_MS = readConfig({}).backendTimeoutMs - 60;
/** Operations with a single round trip to the backend. */
const QUICK: readonly OperationName[] = ['get', 'set', 'delete'];
/** Maximum number of reported problems. */
const PROBLEMS = 5;

/** A load of concurrent gets, sets, deletes, invalidations and clears for several tenants. It runs until it is stopped. */
export class Load {
  readonly #caller: Caller;
  readonly #options: Required<Pick<LoadOptions, 'callers' | 'pauseMs' | 'graceMs' | 'recovery'>>;
  readonly #mix: Mix;
  readonly #history: HistoryEvent[] = [];
  readonly #faults: Fault[] = [];
  readonly #failures: Failure[] = [];
  readonly #figures = emptyFigures();
  readonly #workers: Promise<void>[];
  readonly #lag = watchLag();
  #running = true;

  constructor(caller: Caller, options: LoadOptions = {}) {
    const {
      callers = 16,
      pauseMs = 20,
      graceMs = GRACE_MS,
      recovery = ['get', 'set', 'invalidate'],
      ...mix
    } = options;
    this.#caller = caller;
    this.#options = { callers, pauseMs, graceMs, recovery };
    this.#mix = new Mix(mix);
    this.#workers = Array.from({ length: callers }, () => this.#work());
  }

  /** All requests and responses so far. Events of other callers may be added. */
  get history(): HistoryEvent[] {
    return this.#history;
  }

  /** Generates the load's requests. Also for additional requests that are sent with `ask`. */
  get mix(): Mix {
    return this.#mix;
  }

  /** True once a get has found a value. */
  get hasHit(): boolean {
    return this.#history.some((event) => event.kind === 'read' && event.value !== undefined);
  }

  /** Number of requests that have got a response, including errors. */
  get requests(): number {
    return this.#figures.requests;
  }

  /**
   * Runs `fault`, which injects a fault, waits, and ends it. Failures during that time and shortly afterwards count as explained.
   * Then waits until all operations succeed again.
   *
   * @throws Error if the service does not recover in time
   */
  async during<T>(fault: () => Promise<T>): Promise<T> {
    const span: Fault = { from: now(), to: Number.POSITIVE_INFINITY, recovered: new Map(), lastFailure: 0 };
    this.#faults.push(span);
    const result = await fault();
    span.to = now();
    const wellAgain = () =>
      this.#options.recovery.every((operation) => span.recovered.has(operation)) &&
      now() > span.lastFailure + SETTLED_MS;
    while (!wellAgain()) {
      if (now() > span.to + RECOVERY_MS) throw new Error(`Not recovered after ${RECOVERY_MS} ms`);
      await sleep(10);
    }
    return result;
  }

  /** Stops the load, waits for the requests in flight, and checks the history. */
  async stop(): Promise<Figures> {
    this.#running = false;
    await Promise.all(this.#workers);
    this.#caller.close();
    this.#figures.lagMs = this.#lag();
    return this.#judge();
  }

  async #work(): Promise<void> {
    while (this.#running) {
      await this.ask(this.#mix.next());
      await sleep(this.#mix.random() * this.#options.pauseMs);
    }
  }

  /** Sends one request as part of the load. @returns undefined if there was no response */
  async ask(call: Call): Promise<HttpResponse | undefined> {
    const began = now();
    const events = this.#mix.begin(call, began);
    // A retried fill is in the history already.
    this.#history.push(...events.filter((event) => event.began === began));
    let response: HttpResponse | undefined;
    let what: string | undefined;
    try {
      response = await this.#caller.ask(call);
    } catch (error) {
      what = `no response: ${(error as Error).message}`;
    }
    const ended = now();
    this.#figures.requests++;
    this.#figures.slowestMs = Math.max(this.#figures.slowestMs, ended - began);
    // A lease may end at any time. The fill has then changed nothing.
    const isRejected = call.operation === 'fill' && response?.status === 409;
    if (isRejected) for (const event of events) event.ended = Math.min(event.ended, ended);
    if (response && (response.status < 300 || isRejected)) {
      if (QUICK.includes(call.operation))
        this.#figures.slowestSuccessMs = Math.max(this.#figures.slowestSuccessMs, ended - began);
      if (!isRejected) this.#history.push(...this.#mix.succeed(call, events, response, began, ended));
      for (const { to, recovered } of this.#faults) {
        if (began >= to && !recovered.has(call.operation)) recovered.set(call.operation, ended - to);
      }
      return response;
    }
    if (response) {
      for (const event of events) if (event.kind === 'read' || !event.done) event.ended = ended;
      const failure = judgeFailure(response);
      what = failure.name;
      if (failure.leak !== undefined) {
        this.#figures.leaks++;
        this.#problem(`${call.operation}: the response reveals ${failure.leak}`);
      }
      if (failure.unavailable)
        this.#figures.slowest503Ms = Math.max(this.#figures.slowest503Ms, ended - began);
      if (!failure.explainable) {
        this.#figures.unexplained++;
        this.#problem(`${call.operation}: ${response.status} ${response.text.slice(0, 200)}`);
      } else this.#failures.push({ began, ended, what: `${call.operation}: ${what}` });
      // If the next fault has begun, the failure belongs to that one.
      const fault = this.#faults.at(-1);
      if (fault && began >= fault.to && began <= fault.to + this.#options.graceMs) {
        fault.recovered.delete(call.operation);
        fault.lastFailure = ended;
      }
    } else {
      this.#figures.unexplained++;
      this.#problem(`${call.operation}: ${what}`);
    }
    const name = what ?? '';
    this.#figures.failures[name] = (this.#figures.failures[name] ?? 0) + 1;
    return response;
  }

  #judge(): Figures {
    const figures = this.#figures;
    for (const { began, ended, what } of this.#failures) {
      const explained = this.#faults.some(
        ({ from, to }) => ended >= from && began <= to + this.#options.graceMs,
      );
      if (explained) continue;
      if (ended - began >= TIMEOUT_MS) figures.timeouts++;
      else figures.unexplained++;
      const since = this.#faults.map(({ to }) => Math.round(began - to)).at(-1);
      this.#problem(
        `${what} after ${Math.round(ended - began)} ms, ${since ?? 'no'} ms after the last fault`,
      );
    }
    for (const { recovered } of this.#faults) {
      for (const operation of this.#options.recovery) {
        const ms = recovered.get(operation);
        if (ms !== undefined)
          figures.recoveryMs[operation] = Math.max(figures.recoveryMs[operation] ?? 0, ms);
      }
    }
    const { hits, findings } = check(this.#history);
    figures.hits = hits;
    for (const { violation, read, set, since } of findings) {
      figures[violation === 'older' ? 'stale' : violation]++;
      const { value: _, ...where } = read;
      this.#problem(
        `${violation}: ${JSON.stringify({ read: where, set, since: since && { ...since, value: undefined } })}`,
      );
    }
    return figures;
  }

  #problem(line: string): void {
    if (this.#figures.problems.length < PROBLEMS) this.#figures.problems.push(line);
  }
}
