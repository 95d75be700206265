import { connect, type NatsConnection } from '@nats-io/transport-node';

/** Maximum time that an entry is kept: the time for which an entry can be stale after a lost event. */
const MOST_SECONDS = 60;
const MOST_ENTRIES = 10_000;

/** Keeps entries of a tenant in the memory of this process until an event reports a change. */
export class NearCache {
  readonly #entries = new Map<string, { value: unknown; until: number }>();
  readonly #url: string;
  readonly #tenant: string;
  /** While false, no entries are kept, because events may be missed. */
  #listening = false;
  #changes = 0;

  constructor(url: string, tenant: string) {
    this.#url = url;
    this.#tenant = tenant;
  }

  /** Subscribes to the tenant's events. The caller closes `broker`. */
  async listen(broker: NatsConnection): Promise<void> {
    broker.subscribe(`cache.events.${this.#tenant.replaceAll('.', '%2E')}`, {
      callback: (_error, message) => {
        const { event_type, key } = message.json<{ event_type: string; key: string }>();
        this.#changes++;
        if (event_type === 'cache.set' || event_type === 'cache.deleted') this.#entries.delete(key);
        // An invalidation by pattern or tags, or a clear. A get does not return the tags of an entry.
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
    // A change during the request may not be in the response.
    if (found && this.#listening && changes === this.#changes) {
      if (this.#entries.size >= MOST_ENTRIES) this.#entries.clear();
      this.#entries.set(key, { value, until: Date.now() + Math.min(ttl, MOST_SECONDS) * 1000 });
    }
    return value;
  }

  /** Removes all entries when the connection is lost, because events are missed until the reconnection. */
  async #watch(broker: NatsConnection): Promise<void> {
    for await (const { type } of broker.status()) {
      if (type === 'disconnect' || type === 'close') {
        this.#listening = false;
        this.#changes++;
        this.#entries.clear();
      } else if (type === 'reconnect') {
        // If the flush fails, the connection was lost again, and another reconnect event follows.
        await broker.flush().then(
          () => this.#hear(),
          () => {},
        );
      }
    }
  }

  /** Entries are kept from now on, except from requests in progress: their responses may be older than a change that was missed. */
  #hear(): void {
    this.#listening = true;
    this.#changes++;
  }
}

/** Opens a connection for the near cache that detects a silent connection loss within ten seconds. */
export function connectToBroker(url: string): Promise<NatsConnection> {
  return connect({ servers: url, maxReconnectAttempts: -1, pingInterval: 5_000, maxPingOut: 1 });
}
