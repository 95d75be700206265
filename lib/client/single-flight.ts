import { onAbort } from './abort.ts';
import type { Signal } from './runtime.ts';

interface SharedCall {
  result: Promise<unknown>;
  settled: boolean;
  waiters: number;
  controller: AbortController;
}

/** Runs work once per key at a time. Concurrent callers of one key share its result. */
export class SingleFlight {
  readonly #calls = new Map<string, SharedCall>();

  /**
   * Returns the result of the running call for this key, or starts `work`.
   *
   * @param signal ends this caller's wait. When the last caller stops waiting, the signal that `work` received fires
   */
  async do<T>(key: string, signal: Signal | undefined, work: (signal: Signal) => Promise<T>): Promise<T> {
    if (signal?.aborted) throw signal.reason;
    const call = this.#calls.get(key) ?? this.#start(key, work);
    call.waiters++;
    let removeListener: (() => void) | undefined;
    const aborted = new Promise<never>((_, reject) => {
      removeListener = signal && onAbort(signal, () => reject(signal.reason));
    });
    try {
      // All callers of a key expect the same type.
      return (await Promise.race([call.result, aborted])) as T;
    } finally {
      removeListener?.();
      if (--call.waiters === 0 && !call.settled) {
        this.#forget(key, call);
        call.controller.abort();
      }
    }
  }

  #start(key: string, work: (signal: Signal) => Promise<unknown>): SharedCall {
    const controller = new AbortController();
    const call: SharedCall = { result: work(controller.signal), settled: false, waiters: 0, controller };
    this.#calls.set(key, call);
    const settle = (): void => {
      call.settled = true;
      this.#forget(key, call);
    };
    call.result.then(settle, settle);
    return call;
  }

  #forget(key: string, call: SharedCall): void {
    if (this.#calls.get(key) === call) this.#calls.delete(key);
  }
}
