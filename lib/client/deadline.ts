import { onAbort } from './abort.ts';
import { DeadlineError } from './errors.ts';
import type { Signal } from './runtime.ts';

/** The longest that timers can wait, in milliseconds; a longer one would go off at once. */
const LONGEST_MS = 2 ** 31 - 1;

/** Seen by nobody: whoever asked has been answered. Of its own an AbortController would make an error, stack and all. */
const OVER = 'the call is over';

/** The time that some work has. Its signal fires at the deadline or with the caller's own signal, whichever is first. */
export class Deadline {
  readonly #controller = new AbortController();
  readonly #endsAt: number;
  readonly #timer: ReturnType<typeof setTimeout>;
  readonly #letGo: (() => void) | undefined;

  /**
   * @param timeoutMs from now on
   * @param work what the error names as having taken longer
   */
  constructor(timeoutMs: number, caller: Signal | undefined, correlationId?: string, work = 'The call') {
    const ms = Math.min(timeoutMs, LONGEST_MS);
    this.#endsAt = performance.now() + ms;
    this.#timer = setTimeout(() => {
      const message = `${work} took longer than ${timeoutMs} ms`;
      this.#controller.abort(new DeadlineError({ message, correlationId }));
    }, ms);
    const leave = (): void => this.#controller.abort(caller?.reason);
    if (caller?.aborted) leave();
    else this.#letGo = caller && onAbort(caller, leave);
  }

  /** Fires at the end of the work, however that comes. */
  get signal(): Signal {
    return this.#controller.signal;
  }

  /** Milliseconds. */
  leftMs(): number {
    return this.#endsAt - performance.now();
  }

  /** What `work` comes to, unless the call ends first: then the reason for that, whatever becomes of the work. */
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

  /** Lifts the deadline: no timer keeps the process alive, and the signal does not fire any more. */
  release(): void {
    clearTimeout(this.#timer);
    this.#letGo?.();
  }

  /** Ends the work: its signal fires, so that nothing of it goes on. */
  close(): void {
    this.release();
    this.#controller.abort(OVER);
  }
}
