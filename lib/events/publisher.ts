import type { NatsConnection } from '@nats-io/transport-node';
import { Backlog, type Message } from './backlog.ts';
import { Link, type LinkOptions } from './link.ts';

/** How long an answer may be held back until the broker has confirmed what was sent, in milliseconds. */
const FLUSH_MS = 20;

/**
 * How long the broker may take to confirm, in milliseconds, before the connection is taken for dead: nothing else tells that
 * the other end went away while a function was frozen.
 */
const SILENCE_MS = 1_000;

/**
 * Sends events in their order, and again on the next connection those that were not confirmed, so that one may arrive twice. What
 * waits is bounded: past that, the oldest are dropped.
 */
export class Publisher {
  readonly #backlog = new Backlog();
  readonly #link: Link;
  readonly #log: LinkOptions['log'];
  /** Dropped since the backlog was empty. */
  #dropped = 0;
  /** Until when the broker owes a confirmation; undefined: it owes none. */
  #overdue: NodeJS.Timeout | undefined;
  /** Called when there is nothing to wait for any more. */
  readonly #waiting = new Set<() => void>();

  constructor(options: Omit<LinkOptions, 'changed'>) {
    this.#log = options.log;
    this.#link = new Link({ ...options, changed: () => this.#changed() });
  }

  /** Returns at once. */
  send(message: Message): void {
    const dropped = this.#backlog.add(message);
    if (dropped > 0 && this.#dropped === 0)
      this.#log.warn('events are dropped: too many wait for the broker');
    this.#dropped += dropped;
    this.#pump();
  }

  /** Waits until all is confirmed, if that can be hoped for, and not for long. Never rejects. */
  flush(): Promise<void> {
    if (this.#hopeless()) return Promise.resolve();
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer);
        this.#waiting.delete(done);
        resolve();
      };
      const timer = setTimeout(done, FLUSH_MS);
      this.#waiting.add(done);
    });
  }

  /** Whether waiting makes no difference: all is confirmed, or there is no broker now. */
  #hopeless(): boolean {
    return this.#backlog.empty || this.#link.resting;
  }

  /** Another connection, or none. */
  #changed(): void {
    clearTimeout(this.#overdue);
    this.#overdue = undefined;
    this.#backlog.rewind();
    this.#pump();
    this.#settle();
  }

  #pump(): void {
    const { connection } = this.#link;
    if (!connection) return;
    for (let message = this.#backlog.take(); message; message = this.#backlog.take()) {
      this.#publish(connection, message);
    }
    if (!this.#overdue && !this.#backlog.empty) this.#confirm(connection);
  }

  #publish(connection: NatsConnection, { subject, payload }: Message): void {
    try {
      connection.publish(subject, payload);
    } catch (error) {
      // One that has just ended takes none, and the next one will.
      if (!connection.isClosed()) this.#log.warn('events refused', { error: (error as Error).message });
    }
  }

  /** The broker answers a ping when it has dealt with all that came before it. One at a time: while it is owed, more may gather. */
  #confirm(connection: NatsConnection): void {
    const { mark } = this.#backlog;
    // After a thaw timers come first and what has arrived meanwhile second: so it is looked at again before anything is given up.
    const overdue = setTimeout(() => {
      setImmediate(() => {
        if (this.#overdue === overdue) this.#link.replace(connection);
      });
    }, SILENCE_MS).unref();
    this.#overdue = overdue;
    connection.flush().then(
      () => {
        if (this.#overdue !== overdue) return;
        clearTimeout(overdue);
        this.#overdue = undefined;
        this.#backlog.confirm(mark);
        if (this.#backlog.empty) this.#restored();
        this.#pump();
        this.#settle();
      },
      () => {
        // The connection has ended, which the link tells by itself.
      },
    );
  }

  #restored(): void {
    if (this.#dropped > 0) this.#log.warn('events were dropped', { count: this.#dropped });
    this.#dropped = 0;
  }

  #settle(): void {
    if (this.#hopeless()) for (const done of [...this.#waiting]) done();
  }
}
