import { setTimeout as sleep } from 'node:timers/promises';
import { readConfig } from '../../../lib/config/config.ts';
import type { Answer, Call, Caller } from './caller.ts';
import { check } from './checker.ts';
import { now } from './clock.ts';
import { type Figures, noFigures, type OperationName } from './figures.ts';
import type { HistoryEvent } from './history.ts';
import { judgeFailure } from './judge.ts';
import { watchLag } from './lag.ts';
import { Mix, type MixOptions } from './mix.ts';

export interface LoadOptions extends MixOptions {
  /** Callers that ask at the same time, each one thing after the other. */
  callers?: number;
  /** Each waits so many milliseconds at most between an answer and its next request. */
  pauseMs?: number;
  /** After the end of a fault, failures are still its doing for so long, in milliseconds. */
  graceMs?: number;
  /** Operations that count as recovered when they succeed. */
  recovery?: readonly OperationName[];
}

/** A span of time in which something was broken. */
interface Fault {
  from: number;
  to: number;
  /** How long after its end each operation succeeded and failed no more. */
  recovered: Map<OperationName, number>;
  /** When something failed last that was asked for after its end. */
  lastFailure: number;
}

interface Failure {
  began: number;
  ended: number;
  what: string;
}

/** What a caller may still meet after a fault: a wait for the next attempt to connect, and the operation after that. */
const GRACE_MS = 3000;
/** How long a service may take to recover before a scenario gives up waiting, in milliseconds. */
const RECOVERY_MS = 30_000;
/** Without a failure for so long, it has recovered: on a cluster, some keys may work while others do not. */
const SETTLED_MS = 300;
/** What took so long has failed because its time was over; sets give up 50 ms before other operations. */
const TIMEOUT_MS = readConfig({}).backendTimeoutMs - 60;
/** What is done in one round trip, and so in the time that one operation has. */
const QUICK: readonly OperationName[] = ['get', 'set', 'delete'];
/** As many problems as anybody reads. */
const PROBLEMS = 5;

/** Gets, sets, deletes, invalidations and clears of several tenants, all at the same time, until it is stopped. */
export class Load {
  readonly #caller: Caller;
  readonly #options: Required<Pick<LoadOptions, 'callers' | 'pauseMs' | 'graceMs' | 'recovery'>>;
  readonly #mix: Mix;
  readonly #history: HistoryEvent[] = [];
  readonly #faults: Fault[] = [];
  readonly #failures: Failure[] = [];
  readonly #figures = noFigures();
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

  /** All that was asked and answered so far. What another caller has met may be added. */
  get history(): HistoryEvent[] {
    return this.#history;
  }

  /** What the load's requests are drawn from; for requests beside it, made by `ask`. */
  get mix(): Mix {
    return this.#mix;
  }

  /** True once a get has found a value. */
  get hasHit(): boolean {
    return this.#history.some((event) => event.kind === 'read' && event.value !== undefined);
  }

  /** Requests answered so far, whatever the answer. */
  get requests(): number {
    return this.#figures.requests;
  }

  /**
   * Breaks something, waits as long as it is to be broken, and mends it: all of it is `fault`'s doing. Failures meanwhile and
   * shortly afterwards are explained by it. Then waits until everything works again.
   *
   * @throws Error when it does not
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

  /** Ends the load when all requests under way are answered, and judges what came of it. */
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

  /** Asks once, as part of the load. @returns undefined when no answer came */
  async ask(call: Call): Promise<Answer | undefined> {
    const began = now();
    const events = this.#mix.begin(call, began);
    // A fill that is sent again is in the history already.
    this.#history.push(...events.filter((event) => event.began === began));
    let answer: Answer | undefined;
    let what: string | undefined;
    try {
      answer = await this.#caller.ask(call);
    } catch (error) {
      what = `no answer: ${(error as Error).message}`;
    }
    const ended = now();
    this.#figures.requests++;
    this.#figures.slowestMs = Math.max(this.#figures.slowestMs, ended - began);
    // A lease may end at any time, and then the fill has changed nothing.
    const isRejected = call.operation === 'fill' && answer?.status === 409;
    if (isRejected) for (const event of events) event.ended = Math.min(event.ended, ended);
    if (answer && (answer.status < 300 || isRejected)) {
      if (QUICK.includes(call.operation))
        this.#figures.slowestSuccessMs = Math.max(this.#figures.slowestSuccessMs, ended - began);
      if (!isRejected) this.#history.push(...this.#mix.succeed(call, events, answer, began, ended));
      for (const { to, recovered } of this.#faults) {
        if (began >= to && !recovered.has(call.operation)) recovered.set(call.operation, ended - to);
      }
      return answer;
    }
    if (answer) {
      for (const event of events) if (event.kind === 'read' || !event.done) event.ended = ended;
      const judged = judgeFailure(answer);
      what = judged.name;
      if (judged.leak !== undefined) {
        this.#figures.leaks++;
        this.#problem(`${call.operation}: answer shows ${judged.leak}`);
      }
      if (judged.unavailable)
        this.#figures.slowest503Ms = Math.max(this.#figures.slowest503Ms, ended - began);
      if (!judged.passing) {
        this.#figures.unexplained++;
        this.#problem(`${call.operation}: ${answer.status} ${answer.text.slice(0, 200)}`);
      } else this.#failures.push({ began, ended, what: `${call.operation}: ${what}` });
      // Once the next fault has begun, it is that one's doing.
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
    return answer;
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
