import { onAbort } from './abort.ts';
import { DeadlineError } from './errors.ts';
import type { Signal } from './runtime.ts';

/** Maximum delay of a timer; a longer one fires at once. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** Nobody sees this reason, because the call has returned. Without it, AbortController would create an Error with a stack. */
const CALL_ENDED = 'the call is over';

/** Time limit of a piece of work. Its signal fires at the deadline, or when the caller's signal fires. */
export class Deadline {
  readonly #controller = new AbortController();
  readonly #deadlineMonotonicMs: number;
  readonly #timer: ReturnType<typeof setTimeout>;
  readonly #removeListener: (() => void) | undefined;

  /** @param work subject of the error message */
  constructor(timeoutMs: number, caller: Signal | undefined, correlationId?: string, work = 'The call') {
    const ms = Math.min(timeoutMs, MAX_TIMER_MS);
    this.#deadlineMonotonicMs = performance.now() + ms;
    this.#timer = setTimeout(() => {
      const message = `${work} took longer than ${timeoutMs} ms`;
      this.#controller.abort(new DeadlineError({ message, correlationId }));
    }, ms);
    const abort = (): void => this.#controller.abort(caller?.reason);
    if (caller?.aborted) abort();
    else this.#removeListener = caller && onAbort(caller, abort);
  }

  /** Fires when the work ends, for any reason. */
  get signal(): Signal {
    return this.#controller.signal;
  }

  remainingMs(): number {
    return this.#deadlineMonotonicMs - performance.now();
  }

  /** The result of `work`. @throws the signal's reason as soon as the signal fires */
  async within<T>(work: PromiseLike<T> | T): Promise<T> {
    const { signal } = this.#controller;
    let stop = (): void => {};
    const ended = new Promise<never>((_, reject) => {
      stop = () => reject(signal.reason);
      if (signal.aborted) stop();
      else signal.addEventListener('abort', stop, { once: true });
    });
    try {
      return await Promise.race([ended, work]);
    } catch (error) {
      throw signal.aborted ? signal.reason : error;
    } finally {
      signal.removeEventListener('abort', stop);
    }
  }

  async sleep(ms: number): Promise<void> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    try {
      await this.within(
        new Promise<void>((resolve) => {
          timer = setTimeout(resolve, ms);
        }),
      );
    } finally {
      clearTimeout(timer);
    }
  }

  /** Cancels the deadline: its timer no longer keeps the process alive, and the signal no longer fires. */
  release(): void {
    clearTimeout(this.#timer);
    this.#removeListener?.();
  }

  /** Cancels the deadline and fires the signal, which stops work that is still running. */
  close(): void {
    this.release();
    this.#controller.abort(CALL_ENDED);
  }
}
