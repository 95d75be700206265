import type { Connection } from './connection/connection.ts';

/** After this time without a reply, a server or a proxy may have closed the connection as idle. */
const MAX_SILENCE_MS = 30_000;

/** The server's clock, which decides whether a write is late, an entry is stale or a lease has expired. */
export class ServerClock {
  readonly #connection: Connection;
  /** The server's clock minus ours, in milliseconds; undefined until it is known. */
  #offsetMs: number | undefined;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  get nowEpochMs(): number {
    return this.toServer(Date.now());
  }

  /** Converts a time by our clock to the time by the server's, in epoch milliseconds. */
  toServer(epochMs: number): number {
    return epochMs + (this.#offsetMs ?? 0);
  }

  /** Sets the clock to the server's time, which a reply contained that has just arrived. */
  set(serverEpochMs: number): void {
    this.#offsetMs = serverEpochMs - Date.now();
  }

  /**
   * Reads the server's time if it is unknown, or if the server has been silent.
   *
   * While it is unknown, a server whose clock is behind would accept late writes. After a pause, reading it also checks the connection:
   * a write that hits a dead connection must wait for the deadline of its abandoned attempt.
   *
   * @param deadlineMonotonicMs by `performance.now()`
   * @throws BackendUnavailableError
   */
  async beAccurate(deadlineMonotonicMs: number): Promise<void> {
    const silentMs = Date.now() - this.#connection.lastReplyEpochMs;
    if (this.#offsetMs === undefined || silentMs > MAX_SILENCE_MS) await this.read(deadlineMonotonicMs);
  }

  /**
   * Reads the server's time.
   *
   * @param deadlineMonotonicMs by `performance.now()`. Default: the operation timeout from now.
   * @throws BackendUnavailableError
   */
  async read(deadlineMonotonicMs?: number): Promise<void> {
    const [seconds, microseconds] = await this.#connection.run((client) => client.time(), {
      deadlineMonotonicMs,
      command: 'TIME',
    });
    this.set(Number(seconds) * 1000 + Math.floor(Number(microseconds) / 1000));
  }
}
