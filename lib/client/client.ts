import { batchesOf, carriedBytes, sendBatches } from './batches.ts';
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
import { Flights } from './flights.ts';
import { invalidateAll } from './invalidate.ts';
import { entryText, parsedValue, valueText } from './json.ts';
import { isUnavailable, Outage } from './outage.ts';
import * as requests from './requests.ts';
import { isControlFlow, randomId, type Signal } from './runtime.ts';
import { type Settings, settingsOf } from './settings.ts';
import { addHeaders, type Call, type Request, send } from './transport.ts';
import type {
  CallOptions,
  ClientOptions,
  Entry,
  GetOrSetOptions,
  Health,
  Lookup,
  SetOptions,
  Usage,
  WasSet,
} from './types.ts';

/**
 * A tenant's cache, wherever `fetch` is: in Node, Deno, Bun, workers and browsers.
 *
 * Every method rejects with a {@link CacheError} of the class that says what is wrong, with a TypeError for an argument of
 * another type, with the reason of the caller's signal, or with what the caller's own functions throw. A miss is no error. What
 * can safely be sent again is, a few times and within the call's time: reads and removals after a lost connection, 429, 502, 503
 * and 504; sets only where they were certainly not taken, since a set that comes late could bring back what has been invalidated.
 */
export class CacheClient {
  readonly #options: ClientOptions;
  readonly #settings: Settings;
  /** Both are shared with the clients of other tenants. */
  #flights = new Flights();
  #outage = new Outage();

  /** @throws TypeError for an option of another type, and for a `url` at which no service can be */
  constructor(options: ClientOptions) {
    this.#settings = settingsOf(options);
    this.#options = { ...options };
  }

  get tenant(): string {
    return this.#options.tenant;
  }

  /** A client for another tenant with the same settings. @throws TypeError unless it is a string */
  forTenant(tenant: string): CacheClient {
    const other = new CacheClient({ ...this.#options, tenant });
    other.#flights = this.#flights;
    other.#outage = this.#outage;
    return other;
  }

  /** What is cached under a key. Its type is the caller's word: nothing here checks that the value is of it. */
  async get<T = unknown>(key: string, options: CallOptions = {}): Promise<Lookup<T>> {
    checkString('key', key);
    return (await this.#send(requests.getOne(key), options)) as Lookup<T>;
  }

  /**
   * Caches a value.
   *
   * @throws TypeError for a value that JSON cannot carry
   */
  async set(key: string, value: unknown, options: SetOptions = {}): Promise<WasSet> {
    checkString('key', key);
    checkOptions(options, 'ttl: 60');
    return this.#setText(key, valueText(value, this.#settings.stringify), options);
  }

  /** Removes an entry, if there is one. */
  async delete(key: string, options: CallOptions = {}): Promise<void> {
    checkString('key', key);
    return this.#send(requests.deleteOne(key), options);
  }

  /**
   * Removes all entries whose whole key matches a pattern of Redis's: `*`, `?`, `[a-z]`, `[^a]`, `\` to escape. `clear` removes
   * all entries.
   *
   * It asks again where the service's own time ran out, and has 60 seconds unless `timeoutMs` says otherwise.
   *
   * @returns how many live entries went; fewer than did, if an answer was lost and the request sent again
   * @throws InvalidationIncompleteError when there was too little time for all of them
   */
  async invalidate(pattern: string, options: CallOptions = {}): Promise<number> {
    check(typeof pattern === 'string', 'pattern must be a string; clear() empties the tenant');
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
    checkKeys(keys);
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
    checkEntries(entries);
    // Batches arrive in any order, so that two entries of one key must not be in two of them.
    const texts = new Map<string, string>();
    const places = new Map<string, number>();
    for (const [place, { key, value, ttl }] of entries.entries()) {
      const text = valueText(value, this.#settings.stringify, `entries[${place}].value`);
      texts.set(key, entryText(key, text, ttl));
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
    checkKeys(keys);
    const counts = await this.#sendAll(batchesOf(keys), requests.deleteBatch, options);
    return counts.reduce((sum, count) => sum + count, 0);
  }

  /**
   * What is cached under a key or, if nothing is, what `produce` gives, which is then cached for `ttl` seconds.
   *
   * Single flight: calls for one key at the same time share one lookup and one `produce`, within this client and those that
   * `forTenant` made of it. The first call's arguments count, but for `signal`, which ends only its own call. All get the same
   * object. If `produce` throws, all calls reject with that error and nothing is cached.
   *
   * `produce` has `produceTimeoutMs`. After that all calls reject with a {@link DeadlineError}, and the next call produces anew.
   * The signal that `produce` gets fires then, and when no call waits any more. A `produce` that asks for its own key waits for
   * itself until then.
   *
   * The value goes through JSON before it is returned, so that a miss and a hit give the same: of a Date the text, of a Map `{}`,
   * of NaN null. A value that JSON cannot carry (undefined, a bigint, a circle) is returned as it is, not cached, and reported to
   * `onError`.
   *
   * A cache that fails or is slow is a miss, reported to `onError`. The lookup and the set have `timeoutMs` each, one second
   * unless given. After a lookup that timed out, could not connect or was answered with 502, 503 or 504, nothing is set, and for
   * a while, 0.5 to 10 seconds, calls only produce, without a report. Then one call looks whether the cache is back. A lookup
   * counts only for its own call if another one was answered meanwhile, or if its `timeoutMs` was below the client's.
   *
   * What it does not promise: processes do not know of each other, so each may produce; and a value that was produced before an
   * invalidation may be set after it, and then stays until its `ttl` is over.
   *
   * @throws TypeError for an argument of another type
   * @throws DeadlineError when `produce` took too long
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
    return this.#flights.join(`${this.tenant}\n${key}`, signal, async (unwanted) => {
      const lookup = await this.#lookUp<T>(key, { ...bounded, signal: unwanted });
      if (lookup?.found) return lookup.value;
      const produced = await produceWithin(produceTimeoutMs, unwanted, produce);
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

  /** The lookup of a `getOrSet`. @returns undefined where it is better to do without the cache, and not to set either */
  async #lookUp<T>(
    key: string,
    options: CallOptions & { timeoutMs: number; signal: Signal },
  ): Promise<Lookup<T> | undefined> {
    if (!this.#outage.mayTry()) return undefined;
    const startedMonotonicMs = performance.now();
    try {
      const lookup = await this.get<T>(key, options);
      this.#outage.answered();
      return lookup;
    } catch (error) {
      if (options.signal.aborted) throw error;
      this.#report(error, 'get', key);
      if (isUnavailable(error)) {
        // A caller's own shorter timeout proves nothing to the others.
        const isShort = options.timeoutMs < this.#settings.fillTimeoutMs;
        if (!(isShort && error instanceof DeadlineError)) this.#outage.failed(startedMonotonicMs);
        return undefined;
      }
      this.#outage.answered();
      return { found: false, key };
    }
  }

  /** Reports a failure of the cache with which the call does not fail. @throws the error if it is a framework's */
  #report(error: unknown, operation: 'get' | 'set', key: string): void {
    if (isControlFlow(error)) throw error;
    // Neither does the call fail with what `onError` throws or rejects with.
    const report = async (): Promise<void> => this.#options.onError?.(error, { operation, key });
    report().catch(() => {});
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

/** What `produce` gives, unless it takes longer or nobody wants it any more. @throws DeadlineError when it takes longer */
async function produceWithin<T>(
  timeoutMs: number,
  unwanted: Signal,
  produce: (signal: Signal) => T | Promise<T>,
): Promise<T> {
  const deadline = new Deadline(timeoutMs, unwanted, undefined, 'produce');
  try {
    return await deadline.within(produce(deadline.signal));
  } finally {
    deadline.release();
  }
}
