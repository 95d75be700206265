import { onAbort } from './abort.ts';
import type { Signal } from './runtime.ts';

/** Work with one or more waiting callers. It is abandoned when the last of them stops waiting. */
export class SharedCall<T> {
  readonly result: Promise<T>;
  readonly #controller = new AbortController();
  #settled = false;
  #waiters = 0;

  /** @param work receives a signal that fires when the call is abandoned */
  constructor(work: (abandoned: Signal) => Promise<T>) {
    this.result = work(this.#controller.signal);
    const settle = (): void => {
      this.#settled = true;
    };
    this.result.then(settle, settle);
  }

  get isAbandoned(): boolean {
    return this.#controller.signal.aborted;
  }

  /** @param signal ends this caller's wait */
  async join(signal: Signal | undefined): Promise<T> {
    this.#waiters++;
    let removeListener: (() => void) | undefined;
    const aborted = new Promise<never>((_, reject) => {
      if (signal?.aborted) reject(signal.reason);
      else removeListener = signal && onAbort(signal, () => reject(signal.reason));
    });
    try {
      return await Promise.race([this.result, aborted]);
    } finally {
      removeListener?.();
      if (--this.#waiters === 0 && !this.#settled) this.#controller.abort();
    }
  }
}

/** Runs work once per key at a time. Concurrent callers of one key share its result. */
export class SingleFlight {
  /** By tenant and key. */
  readonly #calls = new Map<string, Map<string, SharedCall<unknown>>>();

  /**
   * Returns the result of the running call for this key, or starts `work`.
   *
   * @param signal ends this caller's wait. When the last caller stops waiting, the signal that `work` received fires
   */
  async do<T>(
    tenant: string,
    key: string,
    signal: Signal | undefined,
    work: (abandoned: Signal) => Promise<T>,
  ): Promise<T> {
    if (signal?.aborted) throw signal.reason;
    const running = this.#calls.get(tenant)?.get(key);
    const call = running && !running.isAbandoned ? running : this.#start(tenant, key, work);
    // All callers of a key expect the same type.
    return call.join(signal) as Promise<T>;
  }

  /** Calls that start from now on do not join the ones that are running. @param keys default: all of the tenant */
  forget(tenant: string, keys?: readonly string[]): void {
    if (keys) for (const key of keys) this.#calls.get(tenant)?.delete(key);
    else this.#calls.delete(tenant);
  }

  #start(tenant: string, key: string, work: (abandoned: Signal) => Promise<unknown>): SharedCall<unknown> {
    const call = new SharedCall(work);
    const calls = this.#calls.get(tenant) ?? new Map<string, SharedCall<unknown>>();
    this.#calls.set(tenant, calls.set(key, call));
    const remove = (): void => {
      if (calls.get(key) === call) calls.delete(key);
      if (calls.size === 0 && this.#calls.get(tenant) === calls) this.#calls.delete(tenant);
    };
    call.result.then(remove, remove);
    return call;
  }
}
