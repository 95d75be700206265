import { connect, type NatsConnection } from '@nats-io/transport-node';

/** Seconds for which an entry is kept at most: an event that is lost does harm for no longer. */
const MOST_SECONDS = 60;
const MOST_ENTRIES = 10_000;

/** A tenant's entries in this process's own memory, until an event says that they have changed. */
export class NearCache {
  readonly #entries = new Map<string, { value: unknown; until: number }>();
  readonly #url: string;
  readonly #tenant: string;
  /** Without events nothing is kept. */
  #listening = false;
  #changes = 0;

  constructor(url: string, tenant: string) {
    this.#url = url;
    this.#tenant = tenant;
  }

  /** `broker` is the caller's to end. */
  async listen(broker: NatsConnection): Promise<void> {
    broker.subscribe(`cache.events.${this.#tenant.replaceAll('.', '%2E')}`, {
      callback: (_error, message) => {
        const { event_type, key } = message.json<{ event_type: string; key: string }>();
        this.#changes++;
        if (event_type === 'cache.set' || event_type === 'cache.deleted') this.#entries.delete(key);
        else this.#entries.clear();
      },
    });
    await broker.flush();
    this.#hear();
    this.#watch(broker);
  }

  /** @returns undefined for a miss */
  async get(key: string): Promise<unknown> {
    const near = this.#entries.get(key);
    if (near && near.until > Date.now()) return near.value;
    const changes = this.#changes;
    const answer = await fetch(`${this.#url}/api/v1/cache?key=${encodeURIComponent(key)}`, {
      headers: { 'X-Tenant-ID': this.#tenant },
    });
    if (!answer.ok) throw new Error(`The cache answered ${answer.status}`);
    const { data } = (await answer.json()) as { data: { value: unknown; found: boolean; ttl: number } };
    const { value, found, ttl } = data;
    // What has changed while the answer was on its way may not be in it.
    if (found && this.#listening && changes === this.#changes) {
      if (this.#entries.size >= MOST_ENTRIES) this.#entries.clear();
      this.#entries.set(key, { value, until: Date.now() + Math.min(ttl, MOST_SECONDS) * 1000 });
    }
    return value;
  }

  /** While the broker is away events pass unheard. */
  async #watch(broker: NatsConnection): Promise<void> {
    for await (const { type } of broker.status()) {
      if (type === 'disconnect' || type === 'close') {
        this.#listening = false;
        this.#changes++;
        this.#entries.clear();
      } else if (type === 'reconnect') {
        // Unless it is lost again, after which there will be another one.
        await broker.flush().then(
          () => this.#hear(),
          () => {},
        );
      }
    }
  }

  /** From now on. An answer that is on its way may be older than a change of which nothing was heard. */
  #hear(): void {
    this.#listening = true;
    this.#changes++;
  }
}

/** A connection for it, on which silence is noticed within ten seconds. */
export function connectToBroker(url: string): Promise<NatsConnection> {
  return connect({ servers: url, maxReconnectAttempts: -1, pingInterval: 5_000, maxPingOut: 1 });
}
