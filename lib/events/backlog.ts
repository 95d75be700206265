/** An event on its way. */
export interface Message {
  subject: string;
  payload: Uint8Array;
}

/** What may wait for the broker, in bytes: some five thousand events. */
const CAPACITY_BYTES = 1024 ** 2;
/**
 * What may be on its way without having been confirmed, in bytes: what the broker is too slow to read fills our memory, and the
 * slowest of networks has to carry it before the broker is taken for dead.
 */
const WINDOW_BYTES = 32 * 1024;

/**
 * Events that the broker has not confirmed, in their order. Those that were handed out are kept until they are confirmed, so
 * that they can be sent again on another connection; past its capacity it drops the oldest that were not.
 */
export class Backlog {
  readonly #messages: Message[] = [];
  #bytes = 0;
  /** How many of the first ones were handed out, and their bytes. */
  #out = 0;
  #outBytes = 0;
  /** How many were confirmed since the beginning. */
  #confirmed = 0;

  get empty(): boolean {
    return this.#messages.length === 0;
  }

  /** Tells {@link confirm} how far it goes: all that has been handed out so far. */
  get mark(): number {
    return this.#confirmed + this.#out;
  }

  /** @returns how many others were dropped for want of room */
  add(message: Message): number {
    this.#messages.push(message);
    this.#bytes += message.payload.length;
    let dropped = 0;
    while (this.#bytes > CAPACITY_BYTES && this.#out + 1 < this.#messages.length) {
      const [oldest] = this.#messages.splice(this.#out, 1);
      this.#bytes -= oldest?.payload.length ?? 0;
      dropped++;
    }
    return dropped;
  }

  /** Hands out the next one; undefined when there is none, or enough is on its way. */
  take(): Message | undefined {
    const next = this.#messages[this.#out];
    if (!next || this.#outBytes >= WINDOW_BYTES) return undefined;
    this.#out++;
    this.#outBytes += next.payload.length;
    return next;
  }

  /** Forgets what had been handed out when `mark` was read. */
  confirm(mark: number): void {
    for (const { payload } of this.#messages.splice(0, mark - this.#confirmed)) {
      this.#bytes -= payload.length;
      this.#outBytes -= payload.length;
      this.#confirmed++;
      this.#out--;
    }
  }

  /** What was handed out and not confirmed is handed out again. */
  rewind(): void {
    this.#out = 0;
    this.#outBytes = 0;
  }
}
