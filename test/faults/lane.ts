import type { Socket } from 'node:net';

/** Faults that a lane applies to its bytes. All lanes of a proxy share one object, which changes while they run. */
export interface Conditions {
  /** Whether bytes from clients are held back. */
  held: boolean;
  /** Delay of bytes from clients, in milliseconds. */
  delayMs: number;
  /** Throughput of each connection in each direction; Infinity for no limit. */
  bytesPerSecond: number;
}

/** With more bytes in the queue a lane stops reading, so that a slow lane causes backpressure at the sender. */
const HIGH_WATER = 256 * 1024;
/** Interval at which a throttled lane writes, in milliseconds. */
const SLICE_MS = 20;

/** One direction of a proxied connection. It delivers bytes and the end of the stream in order. */
export class Lane {
  readonly #from: Socket;
  readonly #to: Socket;
  readonly #conditions: Conditions;
  readonly #upstream: boolean;
  #queue: { bytes: Buffer; due: number }[] = [];
  #queued = 0;
  #ended = false;
  #timer: NodeJS.Timeout | undefined;
  /** Time at which the last slice has been transmitted at the allowed rate. */
  #freeAt = 0;
  #draining = false;
  #dark = false;
  #stranded = false;

  /** @param upstream whether this is the direction from the client to the server */
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

  /** Drops all bytes from now on, including queued ones. This cannot be undone. */
  goDark(): void {
    this.#dark = true;
    this.#queue = [];
    clearTimeout(this.#timer);
    this.#from.resume();
  }

  /** Starts or stops holding back incoming bytes. */
  strand(stranded: boolean): void {
    this.#stranded = stranded;
    this.pump();
  }

  /** Ends the stream after the queued bytes. */
  end(): void {
    this.#ended = true;
    this.pump();
  }

  /** Forwards the bytes that may pass now. Call it after a change of the conditions. */
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

  /** Takes at most one slice from the queue. */
  #cut(head: { bytes: Buffer }): Buffer {
    const length = Math.max(1, Math.floor((this.#conditions.bytesPerSecond * SLICE_MS) / 1000));
    const slice = head.bytes.subarray(0, length);
    if (slice.length === head.bytes.length) this.#queue.shift();
    else head.bytes = head.bytes.subarray(slice.length);
    return slice;
  }

  #write(slice: Buffer, now: number): boolean {
    // Compensates a late timer by at most one slice.
    const from = Math.max(this.#freeAt, now - SLICE_MS);
    this.#freeAt = from + (slice.length / this.#conditions.bytesPerSecond) * 1000;
    this.#queued -= slice.length;
    if (this.#queued <= HIGH_WATER) this.#from.resume();
    // The receiver is gone, so the slice is dropped.
    return !this.#to.writable || this.#to.write(slice);
  }
}
