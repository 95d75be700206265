import { setTimeout as sleep } from 'node:timers/promises';
import type { NatsConnection } from '@nats-io/transport-node';
import type { Config } from '../config/config.ts';
import type { NatsSettings } from '../config/nats.ts';
import type { Log } from '../log/log.ts';
import type { RequestContext } from '../request-context.ts';
import { pauseAfter } from '../time.ts';
import { connect } from './connect.ts';
import { type NatsAccess, readNatsAccess } from './credentials.ts';
import { type Change, type Events, encodeEvent, subjectOf } from './event.ts';
import { Outbox } from './outbox.ts';

/*
 * Events over NATS. Published events wait in a bounded outbox. While there is a connection, one batch at a time is in flight: the
 * broker confirms it by answering a ping, and only then does it leave the outbox. A batch that was not confirmed is sent again
 * over the next connection, so an event may arrive twice.
 *
 * The client's own reconnect is not used: see "NATS" in docs/decisions.md.
 */

/** Maximum time that a response waits for the broker. */
const FLUSH_TIMEOUT_MS = 20;
/** A connection that takes longer to confirm a batch is replaced. It may have been lost while a function was frozen. */
const CONFIRM_TIMEOUT_MS = 1_000;
/** Pause between two attempts to connect. Short at first, because a function reconnects while a request is waiting. */
const RECONNECT_DELAY_MS = { first: 10, most: 1_000 };
/** During an outage, credentials are read at most this often: they may come from a service that charges for each request. */
const ACCESS_MAX_AGE_MS = 10_000;

/** Starts to publish changes to NATS. Connects in the background, at once and whenever the connection is lost. Never throws. */
export function startNatsEvents(
  nats: NatsSettings,
  { serviceName }: Pick<Config, 'serviceName'>,
  log: Log,
): Events {
  const events = new NatsEvents(nats, serviceName, log);
  events.start();
  return events;
}

class NatsEvents implements Events {
  readonly #nats: NatsSettings;
  readonly #clientName: string;
  readonly #log: Log;
  readonly #outbox = new Outbox();
  /** Events dropped since the outbox was last empty. */
  #dropped = 0;
  #access: { value: NatsAccess; readMonotonicMs: number } | undefined;
  #connection: NatsConnection | undefined;
  /** The connection that batches are being sent over. */
  #sendingOver: NatsConnection | undefined;
  /** Attempts to connect, and lost connections, since a batch was last confirmed. */
  #failures = 0;
  /** True between a failure and the next attempt to connect. */
  #backingOff = false;
  /** Resolves when the outbox is empty, or when a connection was lost and the next attempt is delayed. */
  #settled = Promise.withResolvers<void>();
  /** The causes of this outage: each is logged once. */
  readonly #causes = new Set<string>();

  constructor(nats: NatsSettings, clientName: string, log: Log) {
    this.#nats = nats;
    this.#clientName = clientName;
    this.#log = log;
  }

  start(): void {
    this.#keepConnected();
  }

  publish(request: Pick<RequestContext, 'tenant' | 'correlationId'>, change: Change): void {
    const payload = encodeEvent(request, change);
    const dropped = this.#outbox.add({ subject: subjectOf(request.tenant), payload });
    if (dropped > 0 && this.#dropped === 0) this.#log.warn('event queue full, dropping oldest');
    this.#dropped += dropped;
    this.#send();
  }

  async flush(): Promise<void> {
    if (this.#outbox.isEmpty || this.#backingOff) return;
    await Promise.race([this.#settled.promise, sleep(FLUSH_TIMEOUT_MS)]);
  }

  async #keepConnected(): Promise<never> {
    for (let attempt = Math.floor(Math.random() * 1_000); ; attempt++) {
      try {
        const access = await this.#readAccess();
        const { servers } = access.address;
        const connection = await connect(
          access,
          servers[attempt % servers.length] ?? servers[0],
          this.#clientName,
        );
        this.#use(connection);
        const error = await connection.closed();
        // Not a warning: a function that was frozen for some minutes usually finds its connection lost.
        this.#log.info('event broker connection lost', { error: error?.message ?? 'closed' });
      } catch (error) {
        const cause = (error as Error | undefined)?.message ?? 'connection closed';
        if (!this.#causes.has(cause)) this.#log.warn('event broker connection failed', { error: cause });
        this.#causes.add(cause);
      }
      this.#connection = undefined;
      this.#backingOff = this.#failures > 0;
      if (this.#backingOff) this.#settle();
      await sleep(pauseAfter(RECONNECT_DELAY_MS, this.#failures++), undefined, { ref: false });
      this.#backingOff = false;
    }
  }

  /** Address and credentials. They are read again after a failure, since they may have been rotated. */
  async #readAccess(): Promise<NatsAccess> {
    const nowMonotonicMs = performance.now();
    const ageMs = nowMonotonicMs - (this.#access?.readMonotonicMs ?? nowMonotonicMs);
    if (!this.#access || (this.#failures > 0 && ageMs > ACCESS_MAX_AGE_MS)) {
      this.#access = { value: await readNatsAccess(this.#nats), readMonotonicMs: nowMonotonicMs };
    }
    return this.#access.value;
  }

  #use(connection: NatsConnection): void {
    this.#connection = connection;
    logRejection(connection, this.#log).catch(() => {});
    if (this.#causes.size > 0) this.#log.info('event broker connection restored');
    this.#causes.clear();
    this.#send();
  }

  /** Sends one batch after the other until the outbox is empty or the connection is lost. Never rejects. */
  async #send(): Promise<void> {
    const connection = this.#connection;
    if (!connection || this.#sendingOver === connection) return;
    this.#sendingOver = connection;
    // Events that are published in the same turn of the event loop, such as those of a batch set, are sent together.
    await Promise.resolve();
    while (connection === this.#connection) {
      if (this.#outbox.isEmpty) return this.#emptied();
      for (const { subject, payload } of this.#outbox.nextBatch()) {
        try {
          connection.publish(subject, payload);
        } catch (error) {
          // Throws as well if the connection has just been closed. Then the batch is sent again over the next one.
          if (!connection.isClosed()) this.#log.warn('event not sent', { error: (error as Error).message });
        }
      }
      const confirmed = await isConfirmed(connection);
      if (connection !== this.#connection) return;
      if (!confirmed) {
        this.#log.info('event broker does not answer', { timeoutMs: CONFIRM_TIMEOUT_MS });
        return connection.close().catch(() => {});
      }
      this.#outbox.confirm();
      this.#failures = 0;
    }
  }

  #emptied(): void {
    this.#sendingOver = undefined;
    if (this.#dropped > 0) this.#log.warn('events dropped', { count: this.#dropped });
    this.#dropped = 0;
    this.#settle();
  }

  #settle(): void {
    this.#settled.resolve();
    this.#settled = Promise.withResolvers();
  }
}

/** The broker reports a rejected subject without closing the connection. Logs one warning per connection. */
async function logRejection(connection: NatsConnection, log: Log): Promise<void> {
  for await (const status of connection.status()) {
    if (status.type !== 'error') continue;
    log.warn('event rejected by the broker', { error: status.error.message });
    return;
  }
}

/** Whether the broker confirms within the timeout that it has processed all that was sent. */
function isConfirmed(connection: NatsConnection): Promise<boolean> {
  return new Promise((resolve) => {
    // After a thaw, timers run before sockets are read. A reply that has arrived is read before `setImmediate`.
    const timer = setTimeout(() => setImmediate(resolve, false), CONFIRM_TIMEOUT_MS).unref();
    const onReply = () => {
      clearTimeout(timer);
      resolve(true);
    };
    // Rejects if the connection has ended, which `closed()` reports.
    connection.flush().then(onReply, () => {});
  });
}
