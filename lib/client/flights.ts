import { onAbort } from './abort.ts';
import type { Signal } from './runtime.ts';

/** Work under way that several wait for, each for as long as it likes. */
interface Flight {
  result: Promise<unknown>;
  settled: boolean;
  waiting: number;
  controller: AbortController;
}

/** Sees to it that work of one name is done once at a time, however many ask for it. */
export class Flights {
  readonly #flights = new Map<string, Flight>();

  /**
   * What `work` comes to: the one that is under way under this name, or else this one, which begins now. Its signal fires when
   * nobody waits for it any more.
   *
   * @param signal ends this wait, and with the last wait the work
   */
  async join<T>(name: string, signal: Signal | undefined, work: (signal: Signal) => Promise<T>): Promise<T> {
    if (signal?.aborted) throw signal.reason;
    const flight = this.#flights.get(name) ?? this.#begin(name, work);
    flight.waiting++;
    let letGo: (() => void) | undefined;
    const left = new Promise<never>((_, reject) => {
      letGo = signal && onAbort(signal, () => reject(signal.reason));
    });
    try {
      // Work of one name is of one type, as the caller has it.
      return (await Promise.race([flight.result, left])) as T;
    } finally {
      letGo?.();
      if (--flight.waiting === 0 && !flight.settled) {
        this.#forget(name, flight);
        flight.controller.abort();
      }
    }
  }

  #begin(name: string, work: (signal: Signal) => Promise<unknown>): Flight {
    const controller = new AbortController();
    const flight: Flight = { result: work(controller.signal), settled: false, waiting: 0, controller };
    this.#flights.set(name, flight);
    const settle = (): void => {
      flight.settled = true;
      this.#forget(name, flight);
    };
    flight.result.then(settle, settle);
    return flight;
  }

  #forget(name: string, flight: Flight): void {
    if (this.#flights.get(name) === flight) this.#flights.delete(name);
  }
}
