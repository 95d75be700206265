import { batchesOf } from './batches.ts';
import {
  check,
  checkEntries,
  checkFunction,
  checkGetOrSetOptions,
  checkKeys,
  checkKeysOptions,
  checkLeaseOptions,
  checkSetOptions,
  checkString,
  checkTags,
  checkTtl,
} from './checks.ts';
import { GetOrSet } from './get-or-set.ts';
import { invalidatePattern, invalidateTags } from './invalidate.ts';
import { entryText, valueText } from './json.ts';
import * as requests from './requests.ts';
import type { Signal } from './runtime.ts';
import { Sender } from './sender.ts';
import { type Settings, settingsOf } from './settings.ts';
import type {
  CallOptions,
  ClientOptions,
  Entry,
  GetOrSetOptions,
  Health,
  KeysOptions,
  LeaseLookup,
  LeaseOptions,
  ListedKey,
  Lookup,
  SetOptions,
  Usage,
  WasSet,
} from './types.ts';

/** Keys in a page of `keys`: as many as the service accepts. */
const MAX_KEYS = 1000;

/**
 * A tenant's cache.
 *
 * Every method rejects with a subclass of {@link CacheError}, with a TypeError for an argument of the wrong type, with the reason
 * of the caller's signal, or with what the caller's own functions throw. A miss is not an error. Retries stay within the call's
 * time. A set without a lease or a touch is retried only if the service cannot have received it.
 */
export class CacheClient {
  readonly #options: ClientOptions;
  readonly #settings: Settings;
  readonly #sender: Sender;
  #getOrSet: GetOrSet;

  /** @throws TypeError for an invalid option */
  constructor(options: ClientOptions) {
    this.#settings = settingsOf(options);
    this.#options = { ...options };
    this.#sender = new Sender(this.#options, this.#settings);
    this.#getOrSet = new GetOrSet(this.#options, this.#settings, this.#sender);
  }

  get tenant(): string {
    return this.#options.tenant;
  }

  /** A client for another tenant with the same options. It shares single flight and the memory of an outage. */
  forTenant(tenant: string): CacheClient {
    const other = new CacheClient({ ...this.#options, tenant });
    other.#getOrSet = new GetOrSet(other.#options, other.#settings, other.#sender, this.#getOrSet.shared);
    return other;
  }

  /** Looks up a key. The value's type is not checked. */
  async get<T = unknown>(key: string, options: CallOptions = {}): Promise<Lookup<T>> {
    checkString('key', key);
    return (await this.#sender.send(requests.getOne(key), options)) as Lookup<T>;
  }

  /** Caches a value. @throws TypeError for a value that JSON cannot represent, LeaseLostError if the lease in `options` has ended */
  async set(key: string, value: unknown, options: SetOptions = {}): Promise<WasSet> {
    checkString('key', key);
    checkSetOptions(options);
    const { ttl, grace, lease, tags, ...callOptions } = options;
    const text = entryText(key, valueText(value, this.#settings.stringify), { ttl, grace, lease, tags });
    return this.#forgetAfter(this.#sender.send(requests.setOne(text, lease), callOptions), [key]);
  }

  /**
   * Looks up a key, and gets the lease to produce its value if there is no fresh one and no other caller has the lease. `set` with the
   * token then sets the value, unless it was invalidated meanwhile. `getOrSet` does all of this.
   *
   * If neither value, lease nor `retryAfterMs` is returned, the service cannot store leases now, or a response was lost. A value that is
   * set then may have been invalidated while it was produced.
   */
  async lease<T = unknown>(key: string, options: LeaseOptions = {}): Promise<LeaseLookup<T>> {
    checkString('key', key);
    checkLeaseOptions(options);
    const { lease, tags, ...callOptions } = options;
    return (await this.#sender.send(requests.leaseOne(key, { lease, tags }), callOptions)) as LeaseLookup<T>;
  }

  /** Gives a lease back, so that another caller gets it at once. Does nothing if it has ended. */
  async release(key: string, token: string, options: CallOptions = {}): Promise<void> {
    checkString('key', key);
    checkString('token', token);
    return this.#sender.send(requests.release(key, token), options);
  }

  /** Changes the TTL of an entry to `ttl` whole seconds from now, without sending its value. @returns false for a miss */
  async touch(key: string, ttl: number, options: CallOptions = {}): Promise<boolean> {
    checkString('key', key);
    checkTtl('ttl', ttl);
    return this.#sender.send(requests.touch(key, ttl), options);
  }

  /** Removes an entry, if there is one. */
  async delete(key: string, options: CallOptions = {}): Promise<void> {
    checkString('key', key);
    return this.#forgetAfter(this.#sender.send(requests.deleteOne(key), options), [key]);
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
    return this.#forgetAfter(
      this.#sender.run(options, removalTimeoutMs, (call) => invalidatePattern(transport, call, pattern)),
    );
  }

  /**
   * Removes all entries that have at least one of the tags, and ends leases that were requested with one of them. An entry has the tags that
   * it was last set with. Takes any number of tags, but at least one. Repeats the request, and limits the time, as `invalidate`.
   *
   * @returns number of live entries removed, with the reservation of `invalidate`
   * @throws InvalidationIncompleteError if time ran out
   */
  async invalidateTags(tags: readonly string[], options: CallOptions = {}): Promise<number> {
    checkTags('tags', tags);
    check(tags.length > 0, 'tags must contain at least one tag; clear() empties the tenant');
    const { transport, removalTimeoutMs } = this.#settings;
    return this.#forgetAfter(
      this.#sender.run(options, removalTimeoutMs, (call) => invalidateTags(transport, call, tags)),
    );
  }

  /**
   * Lists the keys of live and stale entries in the order of their bytes. Requests a page when its first key is needed, so that a loop which
   * ends early sends no more requests. A key that exists throughout the walk is listed exactly once.
   *
   * `signal` ends the walk. `timeoutMs` applies to each request. The iterator rejects as the other methods do.
   */
  async *keys(options: KeysOptions = {}): AsyncGenerator<ListedKey, void, undefined> {
    checkKeysOptions(options);
    const { pattern, tag, limit = MAX_KEYS, ...callOptions } = options;
    const { signal } = options;
    const send = this.#sender.series(callOptions);
    let cursor: string | undefined;
    do {
      const page = await send(requests.listKeys(this.tenant, { pattern, tag, limit, cursor }));
      for (const key of page.keys) {
        if (signal?.aborted) throw signal.reason;
        yield key;
      }
      cursor = page.cursor;
    } while (cursor !== undefined);
  }

  /** Removes all entries of the tenant. Default time limit: 60 seconds. */
  async clear(options: CallOptions = {}): Promise<void> {
    const { removalTimeoutMs } = this.#settings;
    return this.#forgetAfter(this.#sender.send(requests.clear(this.tenant), options, removalTimeoutMs));
  }

  /** The tenant's number of entries and their size. */
  async usage(options: CallOptions = {}): Promise<Usage> {
    return this.#sender.send(requests.usage(this.tenant), options);
  }

  /** The service's state. An unhealthy service is a result, not an error. */
  async health(options: CallOptions = {}): Promise<Health> {
    return this.#sender.send(requests.health, options);
  }

  /** Looks up any number of keys. @returns what `get` returns for each, in order */
  async getMany<T = unknown>(keys: readonly string[], options: CallOptions = {}): Promise<Lookup<T>[]> {
    checkKeys(keys);
    const found = await this.#sender.sendAll(batchesOf(keys), requests.getBatch, options);
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
    const texts = new Map<string, requests.EntryText>();
    const indexes = new Map<string, number>();
    for (const [index, { key, value, ...entryOptions }] of entries.entries()) {
      const text = valueText(value, this.#settings.stringify, `entries[${index}].value`);
      texts.set(key, requests.entryOf(key, text, entryOptions));
      indexes.set(key, index);
    }
    const batches = batchesOf([...texts.values()], ({ size }) => size);
    const indexOf = [...indexes.values()];
    const sent = this.#sender.sendAll(
      batches,
      requests.setBatch,
      options,
      (index) => indexOf[index] ?? index,
    );
    const set = await this.#forgetAfter(sent, [...texts.keys()]);
    const results = new Map(set.flat().map((result) => [result.key, result]));
    return entries.map(({ key }) => results.get(key) ?? { key, ttl: 0 });
  }

  /** Removes any number of entries. @returns number of live entries removed, with the reservation of `invalidate` */
  async deleteMany(keys: readonly string[], options: CallOptions = {}): Promise<number> {
    checkKeys(keys);
    const sent = this.#sender.sendAll(batchesOf(keys), requests.deleteBatch, options);
    const counts = await this.#forgetAfter(sent, keys);
    return counts.reduce((sum, count) => sum + count, 0);
  }

  /**
   * Returns the cached value, or calls `produce` and caches its result for `ttl` seconds.
   *
   * **One producer.** Of all callers in all processes that miss a key, one gets its lease and calls `produce`. The others wait for its value,
   * at most `produceTimeoutMs`. If the lease ends first, because its holder failed or took longer, another caller produces. Concurrent calls
   * within this client and those that `forTenant` created from it share one lookup (single flight). The first call's arguments apply to all,
   * except `signal`, which ends only its own call. The signal passed to `produce` fires at `produceTimeoutMs`, or when no call waits any more.
   *
   * **No stale set.** A value that was invalidated while it was produced, by its key or by one of `tags`, is returned, but not cached. A call
   * that starts after a removal or set of this client does not join an earlier one.
   *
   * **Grace.** For `grace` seconds after its TTL, a value is returned as stale to all but the caller that produces the next one, and to that
   * one as well if `produce` fails or if there is `waitUntil`.
   *
   * **Failures.** A cache that fails or is slow counts as a miss and is reported to `onError`; the call does not fail, and does not set. While
   * the cache is unavailable, calls only produce. The produced value is returned as JSON represents it, so that a miss and a hit return the
   * same. A value that JSON cannot represent is returned unchanged and not cached. If `tagsOf` throws, the value is not cached either. With a
   * service that is older than leases, each process may produce, and a value may be set after an invalidation.
   *
   * @throws DeadlineError if `produce`, or the wait for another caller's value, takes longer than `produceTimeoutMs`
   */
  async getOrSet<T>(
    key: string,
    ttl: number,
    produce: (signal: Signal) => T | Promise<T>,
    options: GetOrSetOptions<T> = {},
  ): Promise<T> {
    checkString('key', key);
    checkTtl('ttl', ttl);
    checkFunction('produce', produce);
    checkGetOrSetOptions(options);
    const produceOne = async (_: string[], signal: Signal): Promise<T[]> => [await produce(signal)];
    return (await this.#getOrSet.one(key, ttl, produceOne, options)) as T;
  }

  /**
   * `getOrSet` for any number of keys. `produceMissing` receives the keys that no other caller produces, each once, and returns their values
   * in the same order. While it runs, the call waits for the values that others produce. It is called again, perhaps at the same time, for
   * keys whose producers elsewhere have failed.
   *
   * If it fails, stale values are returned if there is one for each of its keys. Otherwise the call rejects.
   *
   * @returns the values in the order of `keys`, which may be repeated
   * @throws TypeError if `produceMissing` does not return as many values as it received keys, DeadlineError as `getOrSet`
   */
  async getOrSetMany<T>(
    keys: readonly string[],
    ttl: number,
    produceMissing: (keys: string[], signal: Signal) => readonly T[] | Promise<readonly T[]>,
    options: GetOrSetOptions<T> = {},
  ): Promise<T[]> {
    checkKeys(keys);
    checkTtl('ttl', ttl);
    checkFunction('produceMissing', produceMissing);
    checkGetOrSetOptions(options);
    const values = await this.#getOrSet.many(keys, ttl, produceMissing, options);
    return keys.map((key) => values.get(key) as T);
  }

  /** When a removal or a set has settled, calls of `getOrSet` no longer join earlier ones. @param keys default: all of the tenant */
  async #forgetAfter<T>(sent: Promise<T>, keys?: readonly string[]): Promise<T> {
    return sent.finally(() => this.#getOrSet.forget(keys));
  }
}
