import type { Socket } from 'node:net';

/** What a lane does to the bytes that pass. One object for all lanes of a proxy, changed while they run. */
export interface Conditions {
  /** Nothing from clients passes. */
  held: boolean;
  /** Milliseconds that bytes from clients are on their way. */
  delayMs: number;
  /** What each connection carries, each way; Infinity for no limit. */
  bytesPerSecond: number;
}

/** Beyond so many bytes under way a lane reads no more, so that a slow one is felt by the sender. */
const HIGH_WATER = 256 * 1024;
/** A throttled lane writes in slices of this length in time. */
const SLICE_MS = 20;

/** One direction of a connection: bytes and the end of the stream come out in the order in which they went in. */
export class Lane {
  readonly #from: Socket;
  readonly #to: Socket;
  readonly #conditions: Conditions;
  readonly #upstream: boolean;
  #queue: { bytes: Buffer; due: number }[] = [];
  #queued = 0;
  #ended = false;
  #timer: NodeJS.Timeout | undefined;
  /** When the last slice will have passed at the rate allowed. */
  #freeAt = 0;
  #draining = false;
  #dark = false;
  #stranded = false;

  /** @param upstream whether this is the way from the client to the server */
  constructor(from: Socket, to: Socket, conditions: Conditions, upstream: boolean) {
    this.#from = from;
    this.#to = to;
    this.#conditions = conditions;
    this.#upstream = upstream;
    from.on('data', (bytes) => this.#take(bytes));
    from.on('end', () => this.end());
    to.on('drain', () => {
      this.#draining = false;
      this.pump();
    });
  }

  /** From now on everything is swallowed, what is under way included. There is no way back. */
  goDark(): void {
    this.#dark = true;
    this.#queue = [];
    clearTimeout(this.#timer);
    this.#from.resume();
  }

  /** Keeps back what comes, until told otherwise. */
  strand(stranded: boolean): void {
    this.#stranded = stranded;
    this.pump();
  }

  /** The stream ends behind the bytes that are still under way. */
  end(): void {
    this.#ended = true;
    this.pump();
  }

  /** Sends on what may pass now. To be called when the conditions have changed. */
  pump(): void {
    clearTimeout(this.#timer);
    if (this.#dark || this.#stranded || this.#draining || (this.#upstream && this.#conditions.held)) return;
    for (let head = this.#queue[0]; head; head = this.#queue[0]) {
      const now = performance.now();
      const wait = Math.max(head.due, this.#freeAt) - now;
      if (wait > 0) {
        this.#timer = setTimeout(() => this.pump(), wait);
        return;
      }
      if (!this.#write(this.#cut(head), now)) {
        this.#draining = true;
        return;
      }
    }
    if (this.#ended && this.#to.writable) this.#to.end();
  }

  #take(bytes: Buffer): void {
    if (this.#dark) return;
    this.#queue.push({ bytes, due: performance.now() + (this.#upstream ? this.#conditions.delayMs : 0) });
    this.#queued += bytes.length;
    if (this.#queued > HIGH_WATER) this.#from.pause();
    this.pump();
  }

  /** Takes as much off the queue as one slice may hold. */
  #cut(head: { bytes: Buffer }): Buffer {
    const length = Math.max(1, Math.floor((this.#conditions.bytesPerSecond * SLICE_MS) / 1000));
    const slice = head.bytes.subarray(0, length);
    if (slice.length === head.bytes.length) this.#queue.shift();
    else head.bytes = head.bytes.subarray(slice.length);
    return slice;
  }

  #write(slice: Buffer, now: number): boolean {
    // A timer that came late is made up for, by one slice at most.
    const from = Math.max(this.#freeAt, now - SLICE_MS);
    this.#freeAt = from + (slice.length / this.#conditions.bytesPerSecond) * 1000;
    this.#queued -= slice.length;
    if (this.#queued <= HIGH_WATER) this.#from.resume();
    // Nobody is left to read it.
    return !this.#to.writable || this.#to.write(slice);
  }
}
