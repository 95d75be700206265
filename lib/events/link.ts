import { setTimeout as sleep } from 'node:timers/promises';
import type { NatsConnection } from '@nats-io/transport-node';
import type { Log } from '../log/log.ts';
import { pauseAfter } from '../time.ts';
import type { NatsAccess } from './credentials.ts';
import { dial } from './dial.ts';

/**
 * Between two attempts to connect, at first and at most, in milliseconds. A function that lost its connection while it was
 * frozen has a request waiting.
 */
const pauses = { lambda: { first: 10, most: 1_000 }, server: { first: 100, most: 2_000 } } as const;

/** A connection that was lost sooner than this, in milliseconds, counts as an attempt that failed. */
const LIVED_MS = 1_000;

/** Between two looks at where the access comes from, in milliseconds: it may be a service that counts requests. */
const ACCESS_AGE_MS = 10_000;

export interface LinkOptions {
  access: () => Promise<NatsAccess>;
  /** What the broker calls us. */
  name: string;
  onLambda: boolean;
  log: Log;
  /** Called when there is a connection, when there is none any more, and when it gives up for a while. */
  changed: () => void;
}

/** The process's connection to the broker: made in the background, and made again for as long as the process lives. */
export class Link {
  readonly #options: LinkOptions;
  #access: { known: NatsAccess; readAt: number } | undefined;
  #connection: NatsConnection | undefined;
  #resting = false;
  /** The troubles of this outage that were logged, so that each is told once and not at every attempt. */
  readonly #told = new Set<string>();

  constructor(options: LinkOptions) {
    this.#options = options;
    this.#keep();
  }

  /** Undefined while there is none. */
  get connection(): NatsConnection | undefined {
    return this.#connection;
  }

  /** True between an attempt that failed and the next one: nothing will come of waiting now. */
  get resting(): boolean {
    return this.#resting;
  }

  /** Gives up a connection that does not answer; the next one is tried at once. */
  replace(connection: NatsConnection): void {
    if (connection !== this.#connection) return;
    this.#lost('no answer');
    this.#connection = undefined;
    // Its end is what `closed` tells; there is nothing else to learn from it.
    connection.close().catch(() => {});
  }

  async #keep(): Promise<never> {
    const range = this.#options.onLambda ? pauses.lambda : pauses.server;
    let failures = 0;
    for (let turn = Math.floor(Math.random() * 1000); ; turn++) {
      const lived = await this.#live(turn, failures > 0);
      failures = lived > LIVED_MS ? 0 : failures + 1;
      this.#resting = failures > 0;
      this.#options.changed();
      await sleep(pauseAfter(range, failures), undefined, { ref: false });
      this.#resting = false;
    }
  }

  /** One connection from its beginning to its end, or one attempt. @returns how long there was one, in milliseconds */
  async #live(turn: number, doubtful: boolean): Promise<number> {
    let since = Number.POSITIVE_INFINITY;
    try {
      const access = await this.#findAccess(doubtful);
      const { servers } = access.address;
      const server = servers[turn % servers.length] ?? servers[0];
      const connection = await dial(access, server, this.#options.name);
      since = performance.now();
      this.#use(connection);
      const error = await connection.closed();
      if (this.#connection) this.#lost(error ? error.message : 'closed by the broker');
    } catch (error) {
      this.#tell((error as Error | undefined)?.message ?? 'lost');
    }
    this.#connection = undefined;
    return Math.max(0, performance.now() - since);
  }

  /** Files and secrets may have been replaced, so they are read again when they did not get us in. */
  async #findAccess(doubtful: boolean): Promise<NatsAccess> {
    const now = performance.now();
    if (!this.#access || (doubtful && now - this.#access.readAt > ACCESS_AGE_MS)) {
      this.#access = { known: await this.#options.access(), readAt: now };
    }
    return this.#access.known;
  }

  #use(connection: NatsConnection): void {
    this.#connection = connection;
    this.#watch(connection).catch(() => {});
    if (this.#told.size > 0) this.#options.log.info('events connection restored');
    this.#told.clear();
    this.#options.changed();
  }

  /** Until it ends. What the broker refuses, such as a subject, it tells without ending the connection; once will do. */
  async #watch(connection: NatsConnection): Promise<void> {
    for await (const status of connection.status()) {
      if (status.type !== 'error') continue;
      this.#options.log.warn('events refused', { error: status.error.message });
      return;
    }
  }

  /** No trouble yet: a function finds its connection lost whenever it was frozen for some minutes. */
  #lost(why: string): void {
    this.#options.log.info('events connection lost', { error: why });
  }

  #tell(trouble: string): void {
    if (!this.#told.has(trouble)) this.#options.log.warn('events connection', { error: trouble });
    this.#told.add(trouble);
  }
}
