import { batchesOf, escapedBytes, sendBatches } from './batches.ts';
import {
  check,
  checkEntries,
  checkFunction,
  checkKeys,
  checkOptions,
  checkString,
  checkTtl,
} from './checks.ts';
import { Deadline } from './deadline.ts';
import { DeadlineError } from './errors.ts';
import { invalidateAll } from './invalidate.ts';
import { entryText, parsedValue, valueText } from './json.ts';
import { isUnavailable, Outage } from './outage.ts';
import * as requests from './requests.ts';
import { isControlFlow, randomId, type Signal } from './runtime.ts';
import { type Settings, settingsOf } from './settings.ts';
import { SingleFlight } from './single-flight.ts';
import { addHeaders, type Call, type Request, send } from './transport.ts';
import type {
  CallOptions,
  ClientOptions,
  Entry,
  GetOrSetOptions,
  Health,
  LeaseLookup,
  LeaseOptions,
  Lookup,
  SetOptions,
  Usage,
  WasSet,
} from './types.ts';

/**
 * A tenant's cache.
 *
 * Every method rejects with a subclass of {@link CacheError}, with a TypeError for an argument of the wrong type, with the reason
 * of the caller's signal, or with what the caller's own functions throw. A miss is not an error. Retries stay within the call's
 * time. A set or a touch is retried only if the service cannot have received it.
 */
export class CacheClient {
  readonly #options: ClientOptions;
  readonly #settings: Settings;
  /** Shared with the clients that `forTenant` creates. */
  #flights = new SingleFlight();
  #outage = new Outage();

  /** @throws TypeError for an invalid option */
  constructor(options: ClientOptions) {
    this.#settings = settingsOf(options);
    this.#options = { ...options };
  }

  get tenant(): string {
    return this.#options.tenant;
  }

  /** A client for another tenant with the same options. It shares single flight and the memory of an outage. */
  forTenant(tenant: string): CacheClient {
    const other = new CacheClient({ ...this.#options, tenant });
    other.#flights = this.#flights;
    other.#outage = this.#outage;
    return other;
  }

  /** Looks up a key. The value's type is not checked. */
  async get<T = unknown>(key: string, options: CallOptions = {}): Promise<Lookup<T>> {
    checkString('key', key);
    return (await this.#send(requests.getOne(key), options)) as Lookup<T>;
  }

  /** Caches a value. @throws TypeError for a value that JSON cannot represent, LeaseLostError if the lease in `options` has ended */
  async set(key: string, value: unknown, options: SetOptions = {}): Promise<WasSet> {
    checkString('key', key);
    checkOptions(options, 'ttl: 60');
    return this.#setText(key, valueText(value, this.#settings.stringify), options);
  }

  /**
   * Looks up a key, and gets the lease to produce its value if there is no fresh one and no other caller has the lease. `set` with the
   * token then sets the value, unless it was invalidated meanwhile. `getOrSet` does all of this.
   */
  async lease<T = unknown>(key: string, { lease, ...options }: LeaseOptions = {}): Promise<LeaseLookup<T>> {
    checkString('key', key);
    return (await this.#send(requests.leaseOne(key, lease), options)) as LeaseLookup<T>;
  }

  /** Gives a lease back, so that another caller gets it at once. Does nothing if it has ended. */
  async release(key: string, token: string, options: CallOptions = {}): Promise<void> {
    checkString('key', key);
    checkString('token', token);
    return this.#send(requests.release(key, token), options);
  }

  /** Changes the TTL of an entry to `ttl` whole seconds from now, without sending its value. @returns false for a miss */
  async touch(key: string, ttl: number, options: CallOptions = {}): Promise<boolean> {
    checkString('key', key);
    checkTtl('ttl', ttl);
    return this.#send(requests.touch(key, ttl), options);
  }

  /** Removes an entry, if there is one. */
  async delete(key: string, options: CallOptions = {}): Promise<void> {
    checkString('key', key);
    return this.#send(requests.deleteOne(key), options);
  }

  /**
   * Removes all entries whose whole key matches a Redis glob: `*`, `?`, `[a-z]`, `[^a]`, `\` to escape. Repeats the request until
   * all are removed. Default time limit: 60 seconds.
   *
   * @returns number of live entries removed. It is too low if a response was lost and the request was retried
   * @throws InvalidationIncompleteError if time ran out
   */
  async invalidate(pattern: string, options: CallOptions = {}): Promise<number> {
    check(typeof pattern === 'string', 'pattern must be a string; clear() empties the tenant');
    const { transport, removalTimeoutMs } = this.#settings;
    return this.#call(options, removalTimeoutMs, (call) => invalidateAll(transport, call, pattern));
  }

  /** Removes all entries of the tenant. Default time limit: 60 seconds. */
  async clear(options: CallOptions = {}): Promise<void> {
    return this.#send(requests.clear(this.tenant), options, this.#settings.removalTimeoutMs);
  }

  /** The tenant's number of entries and their size. */
  async usage(options: CallOptions = {}): Promise<Usage> {
    return this.#send(requests.usage(this.tenant), options);
  }

  /** The service's state. An unhealthy service is a result, not an error. */
  async health(options: CallOptions = {}): Promise<Health> {
    return this.#send(requests.health, options);
  }

  /** Looks up any number of keys. @returns what `get` returns for each, in order */
  async getMany<T = unknown>(keys: readonly string[], options: CallOptions = {}): Promise<Lookup<T>[]> {
    checkKeys(keys);
    const found = await this.#sendAll(batchesOf(keys), requests.getBatch, options);
    return found.flat() as Lookup<T>[];
  }

  /**
   * Caches any number of values. It is not atomic: when it rejects, some may have been set. Of several entries with one key the
   * last one is set; its TTL is the result for all of them.
   *
   * @throws TypeError for a value that JSON cannot represent, before anything is sent
   */
  async setMany(entries: readonly Entry[], options: CallOptions = {}): Promise<WasSet[]> {
    checkEntries(entries);
    // Batches arrive in any order, so each key is sent once.
    const texts = new Map<string, string>();
    const indexes = new Map<string, number>();
    for (const [index, { key, value, ...entryOptions }] of entries.entries()) {
      const text = valueText(value, this.#settings.stringify, `entries[${index}].value`);
      texts.set(key, entryText(key, text, entryOptions));
      indexes.set(key, index);
    }
    const batches = batchesOf([...texts.values()], escapedBytes);
    const sent = [...indexes.values()];
    const set = await this.#sendAll(batches, requests.setBatch, options, (index) => sent[index] ?? index);
    const results = new Map(set.flat().map((result) => [result.key, result]));
    return entries.map(({ key }) => results.get(key) ?? { key, ttl: 0 });
  }

  /** Removes any number of entries. @returns number of live entries removed, with the reservation of `invalidate` */
  async deleteMany(keys: readonly string[], options: CallOptions = {}): Promise<number> {
    checkKeys(keys);
    const counts = await this.#sendAll(batchesOf(keys), requests.deleteBatch, options);
    return counts.reduce((sum, count) => sum + count, 0);
  }

  /**
   * Returns the cached value, or calls `produce` and caches its result for `ttl` seconds.
   *
   * Concurrent calls for one key share one lookup and one `produce` (single flight), within this client and those that `forTenant`
   * created from it. The first call's arguments apply to all, except `signal`, which ends only its own call. The signal passed to
   * `produce` fires at `produceTimeoutMs`, or when no call waits any more.
   *
   * A cache that fails or is slow counts as a miss and is reported to `onError`; the call does not fail. While the cache is
   * unavailable, calls only produce. The produced value is returned as JSON represents it, so that a miss and a hit return the
   * same. A value that JSON cannot represent is returned unchanged and not cached.
   *
   * Not guaranteed: each process may produce once, and a value that was produced before an invalidation may be set after it.
   *
   * @throws DeadlineError if `produce` takes longer than `produceTimeoutMs`
   */
  async getOrSet<T>(
    key: string,
    ttl: number,
    produce: (signal: Signal) => T | Promise<T>,
    options: GetOrSetOptions = {},
  ): Promise<T> {
    checkString('key', key);
    checkTtl('ttl', ttl);
    checkFunction('produce', produce);
    checkOptions(options);
    const { stringify, transport, ...settings } = this.#settings;
    const { signal, produceTimeoutMs = settings.produceTimeoutMs, ...rest } = options;
    const bounded = { ...rest, timeoutMs: rest.timeoutMs ?? settings.fillTimeoutMs };
    return this.#flights.do(`${this.tenant}\n${key}`, signal, async (abandoned) => {
      const lookup = await this.#lookUp<T>(key, { ...bounded, signal: abandoned });
      if (lookup?.found) return lookup.value;
      const produced = await produceWithin(produceTimeoutMs, abandoned, produce);
      let text: string;
      let value: T;
      try {
        text = valueText(produced, stringify);
        value = parsedValue(text, transport.parse) as T;
      } catch (error) {
        this.#report(error, 'set', key);
        return produced;
      }
      if (lookup) {
        const set = this.#setText(key, text, { ...bounded, ttl });
        await set.catch((error: unknown) => this.#report(error, 'set', key));
      }
      return value;
    });
  }

  /** The lookup of a `getOrSet`. @returns undefined if the cache is unavailable, so that a set would fail as well */
  async #lookUp<T>(
    key: string,
    options: CallOptions & { timeoutMs: number; signal: Signal },
  ): Promise<Lookup<T> | undefined> {
    if (!this.#outage.mayTry()) return undefined;
    const startedMonotonicMs = performance.now();
    try {
      const lookup = await this.get<T>(key, options);
      this.#outage.recordResponse();
      return lookup;
    } catch (error) {
      if (options.signal.aborted) throw error;
      this.#report(error, 'get', key);
      if (isUnavailable(error)) {
        // A timeout shorter than the client's does not show that the cache is unavailable.
        const isShort = options.timeoutMs < this.#settings.fillTimeoutMs;
        if (!(isShort && error instanceof DeadlineError)) this.#outage.recordFailure(startedMonotonicMs);
        return undefined;
      }
      this.#outage.recordResponse();
      return { found: false, key };
    }
  }

  /** Passes a failure of the cache to `onError`. @throws the error if a framework threw it */
  #report(error: unknown, operation: 'get' | 'set', key: string): void {
    if (isControlFlow(error)) throw error;
    // An error in `onError` does not fail the call.
    const report = async (): Promise<void> => this.#options.onError?.(error, { operation, key });
    report().catch(() => {});
  }

  async #setText(key: string, value: string, { ttl, grace, lease, ...options }: SetOptions): Promise<WasSet> {
    return this.#send(requests.setOne(entryText(key, value, { ttl, grace, lease }), lease), options);
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
    toCallerIndex?: (index: number) => number,
  ): Promise<T[]> {
    return this.#call(options, this.#settings.timeoutMs, (call) =>
      sendBatches(batches, (items) => send(this.#settings.transport, call, requestOf(items)), toCallerIndex),
    );
  }

  async #call<T>(options: CallOptions, timeoutMs: number, work: (call: Call) => Promise<T>): Promise<T> {
    checkOptions(options);
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

/** Calls `produce`. @throws DeadlineError after `timeoutMs` */
async function produceWithin<T>(
  timeoutMs: number,
  abandoned: Signal,
  produce: (signal: Signal) => T | Promise<T>,
): Promise<T> {
  const deadline = new Deadline(timeoutMs, abandoned, undefined, 'produce');
  try {
    return await deadline.within(produce(deadline.signal));
  } finally {
    deadline.release();
  }
}
