import type { Log } from '../../log/log.ts';
import type { Sender } from './sender.ts';

/** A body to send, and how many spans or points of measurement are in it. */
export interface Parcel {
  body: Uint8Array;
  items: number;
}

/** What makes parcels of what has gathered. */
export interface Source {
  /** What the log calls it. */
  readonly name: 'traces' | 'metrics';
  /** Whether there may be a parcel to take. */
  due(all: boolean): boolean;
  /** The next parcel; undefined: there is none for now. `all` also takes what could wait for more of its kind. */
  take(all: boolean): Promise<Parcel | undefined>;
  /** How many items it had no room for since it was last asked. */
  overflowed(): number;
}

/** Flushes that end in vain, one after the other, before they wait no more: a handshake may need a few to get through. */
const PATIENCE = 3;

/** Between two attempts at a collector that takes nothing, in milliseconds: at first and at most. */
const PAUSE = { first: 1000, most: 30_000 };

/** The most that a collector may ask to be left alone for, in milliseconds. */
const MAX_RETRY_AFTER_MS = 60_000;

/**
 * Brings what a source has to a collector, one request at a time. While the collector takes nothing it is tried now and then,
 * the source keeps what it has room for, nobody waits, and the log tells once that it began and once that it is over.
 */
export class Exporter {
  readonly #source: Source;
  readonly #sender: Sender;
  readonly #log: Log;
  #running: Promise<void> | undefined;
  /** What did not arrive, to be sent before anything else. */
  #kept: Parcel | undefined;
  /** Flushes since the last success that ended before the sending did. */
  #missed = 0;
  #pauseMs = PAUSE.first;
  /** Epoch milliseconds, the clock that goes on while a function is frozen. */
  #pausedUntil = 0;
  #inTrouble = false;
  /** Whether it takes everything that it is sent, but the source overflowed meanwhile. */
  #tooSlow = false;
  #dropped = 0;

  constructor(source: Source, sender: Sender, log: Log) {
    this.#source = source;
    this.#sender = sender;
    this.#log = log;
  }

  /** Begins to send what there is, unless the collector took nothing lately. */
  begin(): void {
    if (Date.now() >= this.#pausedUntil) this.#begin(false);
  }

  /**
   * Sends what there is. Never rejects.
   *
   * @param waitMs resolves after this time at the latest; what is under way then goes on
   * @param all also what could wait for more of its kind, and also when the collector took nothing lately
   */
  async flush(waitMs: number, all = false): Promise<void> {
    if (!all && Date.now() < this.#pausedUntil) return;
    // Most requests of a function whose callers trace nothing have nothing to wait for.
    if (!this.#running && !this.#kept && !this.#source.due(all)) return;
    const end = performance.now() + waitMs;
    // What is under way was begun without what all adds.
    if (all && this.#running) await endsWithin(this.#running, waitMs);
    if (await endsWithin(this.#begin(all), end - performance.now())) return;
    this.#missed++;
    if (this.#missed >= PATIENCE) this.#pause(`no answer within ${waitMs} ms, ${this.#missed} times`);
  }

  close(): void {
    this.#sender.close();
  }

  #begin(all: boolean): Promise<void> {
    this.#running ??= this.#run(all)
      .catch((error: unknown) => this.#pause(String(error)))
      .finally(() => {
        this.#running = undefined;
      });
    return this.#running;
  }

  async #run(all: boolean): Promise<void> {
    for (let first = all; ; ) {
      const kept = this.#kept;
      const parcel = kept ?? (await this.#source.take(first));
      if (!parcel) return;
      if (!kept) first = false;
      this.#kept = undefined;
      const outcome = await this.#sender.send(parcel.body);
      if (outcome.kind === 'taken') {
        this.#recovered();
        continue;
      }
      if (outcome.kind === 'later') this.#kept = parcel;
      else this.#dropped += parcel.items;
      this.#pause(outcome.reason, outcome.kind === 'later' ? outcome.retryAfterMs : undefined);
      return;
    }
  }

  #pause(reason: string, atLeastMs = 0): void {
    const ms = Math.max(this.#pauseMs, Math.min(atLeastMs, MAX_RETRY_AFTER_MS));
    this.#pausedUntil = Date.now() + ms;
    this.#pauseMs = Math.min(this.#pauseMs * 2, PAUSE.most);
    this.#missed = 0;
    this.#dropped += this.#source.overflowed();
    if (this.#inTrouble) return;
    this.#inTrouble = true;
    this.#log.warn(`the collector takes no ${this.#source.name}; what there is no room for is dropped`, {
      error: reason,
      dropped: this.#dropped,
    });
  }

  #recovered(): void {
    this.#pausedUntil = 0;
    this.#pauseMs = PAUSE.first;
    this.#missed = 0;
    const overflowed = this.#source.overflowed();
    this.#dropped += overflowed;
    const dropped = this.#dropped;
    const { name } = this.#source;
    const over = this.#inTrouble || (this.#tooSlow && overflowed === 0);
    if (over) {
      this.#log.info(`the collector takes ${name} again`, { dropped });
      this.#dropped = 0;
    } else if (overflowed > 0 && !this.#tooSlow) {
      this.#log.warn(`${name} come faster than they can be sent`, { dropped });
    }
    this.#inTrouble = false;
    this.#tooSlow = !over && overflowed > 0;
  }
}

/** Whether it ends in time. The timer keeps the process alive, since what is waited for does not. */
function endsWithin(work: Promise<void>, ms: number): Promise<boolean> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms, false);
    work.then(() => {
      clearTimeout(timer);
      resolve(true);
    });
  });
}
