export interface Message {
  subject: string;
  payload: Uint8Array;
}

/** Payload bytes of all messages in the outbox: about five thousand events. */
const CAPACITY_BYTES = 1024 ** 2;

/**
 * Payload bytes of a batch. A batch must arrive within the confirmation timeout, even at 20 kB/s. It is also the most that remains in the
 * socket's buffer if the broker stops reading.
 */
const BATCH_BYTES = 16 * 1024;

/**
 * The messages that the broker has not confirmed, oldest first. A batch stays in the outbox while it is in flight, so that it can
 * be sent again over another connection. Above the capacity, the oldest messages that are not in flight are dropped.
 */
export class Outbox {
  readonly #messages: Message[] = [];
  #bytes = 0;
  /** Number of messages in the last batch, which are the first in the outbox. */
  #inFlight = 0;

  get isEmpty(): boolean {
    return this.#messages.length === 0;
  }

  /** @returns the number of messages that were dropped to make room */
  add(message: Message): number {
    this.#messages.push(message);
    this.#bytes += message.payload.length;
    let dropped = 0;
    while (this.#bytes > CAPACITY_BYTES && this.#inFlight + 1 < this.#messages.length) {
      this.#remove(this.#inFlight, 1);
      dropped++;
    }
    return dropped;
  }

  /** The oldest messages. Contains those of the last batch again unless it was confirmed. */
  nextBatch(): readonly Message[] {
    this.#inFlight = 0;
    for (let bytes = 0; bytes < BATCH_BYTES; this.#inFlight++) {
      const message = this.#messages[this.#inFlight];
      if (!message) break;
      bytes += message.payload.length;
    }
    return this.#messages.slice(0, this.#inFlight);
  }

  /** Removes the last batch, which the broker has confirmed. */
  confirm(): void {
    this.#remove(0, this.#inFlight);
    this.#inFlight = 0;
  }

  #remove(index: number, count: number): void {
    for (const { payload } of this.#messages.splice(index, count)) this.#bytes -= payload.length;
  }
}
