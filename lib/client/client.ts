import { batchesOf, carriedBytes, sendBatches } from './batches.ts';
import { Deadline } from './deadline.ts';
import { Flights } from './flights.ts';
import { invalidateAll } from './invalidate.ts';
import { entryText, valueText } from './json.ts';
import * as requests from './requests.ts';
import { isControlFlow, randomId, type Signal } from './runtime.ts';
import { type Settings, settingsOf } from './settings.ts';
import { addHeaders, type Call, type Request, send } from './transport.ts';
import type {
  CallOptions,
  ClientOptions,
  Entry,
  Health,
  Lookup,
  SetOptions,
  Usage,
  WasSet,
} from './types.ts';

/**
 * A tenant's cache, wherever `fetch` is: in Node, Deno, Bun, workers and browsers.
 *
 * Every method rejects with a {@link CacheError} of the class that says what is wrong, with the reason of the caller's signal,
 * or with what the caller's own functions throw. A miss is no error. What can safely be sent again is, a few times and within
 * the call's time: reads and removals after a lost connection, 429, 502, 503 and 504; sets only where they were certainly not
 * taken, since a set that comes late could bring back what has been invalidated.
 */
export class CacheClient {
  readonly #options: ClientOptions;
  readonly #settings: Settings;
  /** Shared with the clients of other tenants. */
  #flights = new Flights();

  /** @throws TypeError when `url` is none that a service can be at */
  constructor(options: ClientOptions) {
    this.#options = { ...options };
    this.#settings = settingsOf(options);
  }

  get tenant(): string {
    return this.#options.tenant;
  }

  /** A client for another tenant with the same settings. */
  forTenant(tenant: string): CacheClient {
    const other = new CacheClient({ ...this.#options, tenant });
    other.#flights = this.#flights;
    return other;
  }

  /** What is cached under a key. Its type is the caller's word: nothing here checks that the value is of it. */
  async get<T = unknown>(key: string, options: CallOptions = {}): Promise<Lookup<T>> {
    return (await this.#send(requests.getOne(key), options)) as Lookup<T>;
  }

  /**
   * Caches a value.
   *
   * @throws TypeError for a value that JSON cannot carry
   */
  async set(key: string, value: unknown, options: SetOptions = {}): Promise<WasSet> {
    return this.#setText(key, valueText(value, this.#settings.stringify), options);
  }

  /** Removes an entry, if there is one. */
  async delete(key: string, options: CallOptions = {}): Promise<void> {
    return this.#send(requests.deleteOne(key), options);
  }

  /**
   * Removes all entries whose whole key matches a pattern of Redis's: `*`, `?`, `[a-z]`, `[^a]`, `\` to escape. Without one, all.
   *
   * It asks again where the service's own time ran out, and has 60 seconds unless `timeoutMs` says otherwise.
   *
   * @returns how many live entries went; fewer than did, if an answer was lost and the request sent again
   * @throws InvalidationIncompleteError when there was too little time for all of them
   */
  async invalidate(pattern?: string, options: CallOptions = {}): Promise<number> {
    const { transport, removalTimeoutMs } = this.#settings;
    return this.#call(options, removalTimeoutMs, (call) => invalidateAll(transport, call, pattern));
  }

  /** Empties the tenant. It has 60 seconds unless `timeoutMs` says otherwise. */
  async clear(options: CallOptions = {}): Promise<void> {
    return this.#send(requests.clearing(this.tenant), options, this.#settings.removalTimeoutMs);
  }

  /** What the tenant takes. */
  async usage(options: CallOptions = {}): Promise<Usage> {
    return this.#send(requests.usageOf(this.tenant), options);
  }

  /** How the service is. One that says that it is unhealthy has answered too. */
  async health(options: CallOptions = {}): Promise<Health> {
    return this.#send(requests.healthReport, options);
  }

  /** For each of any number of keys, in order, what `get` would answer. */
  async getMany<T = unknown>(keys: readonly string[], options: CallOptions = {}): Promise<Lookup<T>[]> {
    const found = await this.#sendAll(batchesOf(keys), requests.getBatch, options);
    return found.flat() as Lookup<T>[];
  }

  /**
   * Caches any number of values. Each is an entry of its own: when this rejects, some may have been set. Of two with one key
   * the last counts, and is what the results tell of for both.
   *
   * @throws TypeError for a value that JSON cannot carry, before anything is sent
   */
  async setMany(entries: readonly Entry[], options: CallOptions = {}): Promise<WasSet[]> {
    // Batches arrive in any order, so that two entries of one key must not be in two of them.
    const texts = new Map<string, string>();
    const places = new Map<string, number>();
    for (const [place, { key, value, ttl }] of entries.entries()) {
      texts.set(key, entryText(key, valueText(value, this.#settings.stringify), ttl));
      places.set(key, place);
    }
    const batches = batchesOf([...texts.values()], carriedBytes);
    const sent = [...places.values()];
    const set = await this.#sendAll(batches, requests.setBatch, options, (index) => sent[index] ?? index);
    const ttls = new Map(set.flat().map(({ key, ttl }) => [key, ttl]));
    return entries.map(({ key }) => ({ key, ttl: ttls.get(key) ?? 0 }));
  }

  /**
   * Removes any number of entries.
   *
   * @returns how many live ones went; fewer than did, if an answer was lost and the request sent again
   */
  async deleteMany(keys: readonly string[], options: CallOptions = {}): Promise<number> {
    const counts = await this.#sendAll(batchesOf(keys), requests.deleteBatch, options);
    return counts.reduce((sum, count) => sum + count, 0);
  }

  /**
   * What is cached under a key or, if nothing is, what `produce` gives, which is then cached for `ttl` seconds.
   *
   * Those who ask for a key at the same time share one lookup and one `produce`, within this client and those that
   * `forTenant` made of it: the first one's, with its `ttl` and options. `signal` ends only one's own wait; the signal that
   * `produce` gets fires when nobody waits any more. All of them get the same object, or what `produce` throws, of which
   * nothing is cached. One that asks for its own key waits for itself.
   *
   * A cache that is down or slow is a miss, and no failure: `onError` is told. `timeoutMs` is for the lookup and for the set,
   * one second each unless given, and not for `produce`.
   *
   * What it does not promise: processes do not know of each other, so each may produce; and what was produced before an
   * invalidation may be set after it, so that it stays until its `ttl` is over.
   *
   * @throws TypeError when `produce` gives what JSON cannot carry, such as undefined
   */
  async getOrSet<T>(
    key: string,
    ttl: number,
    produce: (signal: Signal) => T | Promise<T>,
    options: CallOptions = {},
  ): Promise<T> {
    const { signal, ...rest } = options;
    const bounded = { ...rest, timeoutMs: rest.timeoutMs ?? this.#settings.fillTimeoutMs };
    return this.#flights.join(`${this.tenant}\n${key}`, signal, async (unwanted) => {
      const found = await this.get<T>(key, { ...bounded, signal: unwanted }).catch((error: unknown) => {
        if (unwanted.aborted) throw error;
        this.#tell(error, 'get', key);
      });
      if (found?.found) return found.value;
      const value = await produce(unwanted);
      const text = valueText(value, this.#settings.stringify);
      // What was stopped halfway may be half of a value.
      if (!unwanted.aborted) {
        await this.#setText(key, text, { ...bounded, ttl }).catch((error: unknown) =>
          this.#tell(error, 'set', key),
        );
      }
      return value;
    });
  }

  /** Reports a failure of the cache with which the call does not fail. @throws the error if it is a framework's */
  #tell(error: unknown, operation: 'get' | 'set', key: string): void {
    if (isControlFlow(error)) throw error;
    // It is told of failures and shall not be one, neither at once nor as a promise that nobody waits for.
    const tell = async (): Promise<void> => this.#options.onError?.(error, { operation, key });
    tell().catch(() => {});
  }

  async #setText(key: string, value: string, { ttl, ...options }: SetOptions): Promise<WasSet> {
    return this.#send(requests.setOne(entryText(key, value, ttl)), options);
  }

  async #send<T>(
    request: Request<T>,
    options: CallOptions,
    timeoutMs = this.#settings.timeoutMs,
  ): Promise<T> {
    return this.#call(options, timeoutMs, (call) => send(this.#settings.transport, call, request));
  }

  async #sendAll<I, T>(
    batches: I[][],
    requestOf: (items: I[]) => Request<T>,
    options: CallOptions,
    place?: (index: number) => number,
  ): Promise<T[]> {
    return this.#call(options, this.#settings.timeoutMs, (call) =>
      sendBatches(batches, (items) => send(this.#settings.transport, call, requestOf(items)), place),
    );
  }

  async #call<T>(options: CallOptions, timeoutMs: number, work: (call: Call) => Promise<T>): Promise<T> {
    const headers = this.#headers(options);
    const deadline = new Deadline(
      options.timeoutMs ?? timeoutMs,
      options.signal,
      headers['x-correlation-id'],
    );
    try {
      return await work({ deadline, headers });
    } finally {
      deadline.close();
    }
  }

  #headers({ headers: own, correlationId }: CallOptions): Call['headers'] {
    const { tenant, userId, headers } = this.#options;
    const all: Record<string, string> = { 'x-correlation-id': randomId() };
    addHeaders(all, headers?.());
    addHeaders(all, own);
    addHeaders(all, { 'x-correlation-id': correlationId, 'x-tenant-id': tenant, 'x-user-id': userId });
    return all;
  }
}
