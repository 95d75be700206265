import type { Connection } from './connection/connection.ts';

/** After this time without a reply, a server or a proxy may have closed the connection as idle. */
const MAX_SILENCE_MS = 30_000;

/** After this time, the rates of two clocks may have led to a noticeable difference. */
const MAX_AGE_MS = 300_000;

/** If our clock and the monotonic clock differ by more since the last reading, ours was changed, or the process was frozen. */
const MAX_STEP_MS = 50;

/** When the server's time was read, and what it was. Times in milliseconds. */
interface Reading {
  serverEpochMs: number;
  sentEpochMs: number;
  receivedEpochMs: number;
  receivedMonotonicMs: number;
}

/**
 * The server's clock, which decides whether a write is late, a value is stale or a lease has ended.
 *
 * The server's time was taken between the request and the reply, so it is known within two bounds. Deadlines use the lower one: a late write
 * must never look punctual. Reads use the upper one: a value must never look fresh after its TTL.
 */
export class ServerClock {
  readonly #connection: Connection;
  #reading: Reading | undefined;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /** The latest time that the server's clock may show now. */
  get latestEpochMs(): number {
    if (!this.#reading) return Date.now();
    const { serverEpochMs, sentEpochMs } = this.#reading;
    return serverEpochMs + Date.now() - sentEpochMs;
  }

  /** The earliest time that the server's clock may show at `epochMs` by ours. */
  earliestAt(epochMs: number): number {
    if (!this.#reading) return epochMs;
    const { serverEpochMs, receivedEpochMs } = this.#reading;
    return serverEpochMs + epochMs - receivedEpochMs;
  }

  /** Sets the clock to the server's time, which a reply contained that has just arrived. */
  set(serverEpochMs: number, sentEpochMs = Date.now()): void {
    this.#reading = {
      serverEpochMs,
      sentEpochMs,
      receivedEpochMs: Date.now(),
      receivedMonotonicMs: performance.now(),
    };
  }

  /** False if the server's time must be read before it is relied on. */
  get isAccurate(): boolean {
    if (!this.#reading) return false;
    const ageMs = Date.now() - this.#reading.receivedEpochMs;
    const monotonicAgeMs = performance.now() - this.#reading.receivedMonotonicMs;
    return Math.abs(ageMs - monotonicAgeMs) <= MAX_STEP_MS && ageMs <= MAX_AGE_MS;
  }

  /**
   * Reads the server's time if it is not known accurately, or if the server has been silent.
   *
   * While it is unknown, a server whose clock is behind would accept late writes. After a pause, reading it also checks the connection:
   * a write that hits a dead connection must wait for the deadline of its abandoned attempt.
   *
   * @param deadlineMonotonicMs by `performance.now()`
   * @throws BackendUnavailableError
   */
  async beAccurate(deadlineMonotonicMs: number): Promise<void> {
    const silentMs = Date.now() - this.#connection.lastReplyEpochMs;
    if (!this.isAccurate || silentMs > MAX_SILENCE_MS) await this.read(deadlineMonotonicMs);
  }

  /**
   * Reads the server's time.
   *
   * @param deadlineMonotonicMs by `performance.now()`. Default: the operation timeout from now.
   * @throws BackendUnavailableError
   */
  async read(deadlineMonotonicMs?: number): Promise<void> {
    await this.#connection.run(
      async (client) => {
        const sentEpochMs = Date.now();
        const [seconds, microseconds] = await client.time();
        this.set(Number(seconds) * 1000 + Math.floor(Number(microseconds) / 1000), sentEpochMs);
      },
      { deadlineMonotonicMs, command: 'TIME' },
    );
  }
}
