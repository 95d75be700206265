/**
 * Storage adapter for Keyv 5 and 6, and for what is built on Keyv, such as cache-manager and got.
 *
 * A key is stored as `<namespace>:<key>`. Keyv 5 itself puts the namespace in front of each key as well, unless its option `useKeyPrefix` is
 * false. Each Keyv instance needs a store of its own, because Keyv sets the store's namespace.
 */
import {
  type Cache,
  checkAdapter,
  isShortened,
  patternOf,
  storedKey,
  type TtlOptions,
  ttlOf,
} from './limits.ts';

type KeyvCache = Cache<
  'clear' | 'deleteMany' | 'get' | 'getMany' | 'invalidate' | 'keys' | 'set' | 'setMany'
>;

/** `ttl`: for entries that Keyv sets without a TTL. Keyv's TTLs are milliseconds and are rounded up to seconds. */
export interface KeyvStoreOptions extends TtlOptions {}

/** As in Keyv: milliseconds. Undefined and 0 mean none. */
type TtlMs = number | undefined;

export interface KeyvStore {
  opts: Record<string, unknown>;
  namespace: string | undefined;
  get<Value>(key: string): Promise<Value | undefined>;
  getMany<Value>(keys: string[]): Promise<(Value | undefined)[]>;
  has(key: string): Promise<boolean>;
  hasMany(keys: string[]): Promise<boolean[]>;
  set(key: string, value: unknown, ttl?: TtlMs): Promise<boolean>;
  /** Keyv's type. Resolves to a list of true, which Keyv's `setMany` returns. */
  setMany(entries: { key: string; value: unknown; ttl?: TtlMs }[]): Promise<void>;
  delete(key: string): Promise<boolean>;
  deleteMany(keys: string[]): Promise<boolean>;
  clear(): Promise<void>;
  iterator<Value>(namespace?: string): AsyncGenerator<[key: string, value: Value], void>;
  disconnect(): Promise<void>;
  on(event: string, listener: (error: unknown) => void): KeyvStore;
}

/** Keys whose values the iterator requests at a time. */
const PAGE = 100;

/**
 * Returns a store for `new Keyv({ store })`. Values are what Keyv's serializer returns; without one, what JSON can represent.
 *
 * Failures are handled as Keyv's own adapters do: a lookup that fails is a miss, and Keyv emits `error`. Other methods reject, which Keyv
 * turns into `error` and the result false. `clear` removes the namespace, or all entries of the tenant if there is none.
 *
 * The iterator does not return entries whose key is too long for the service (1,024 bytes) or contains control characters.
 *
 * @throws TypeError for what is no client, or for a wrong option
 */
export function keyvStore(cache: KeyvCache, options: KeyvStoreOptions = {}): KeyvStore {
  checkAdapter(cache, options);
  const listeners: ((error: unknown) => void)[] = [];

  async function orMiss<T>(lookup: Promise<T>, miss: T): Promise<T> {
    try {
      return await lookup;
    } catch (error) {
      for (const listener of listeners) listener(error);
      return miss;
    }
  }

  const prefixOf = (namespace: string | undefined) => (namespace ? `${namespace}:` : '');
  const stored = (key: string) => storedKey(prefixOf(store.namespace) + key);
  const ttlOfMs = (ttlMs: TtlMs) => ttlOf(ttlMs === undefined ? undefined : ttlMs / 1000, options);

  async function lookup<Value>(keys: string[]): Promise<(Value | undefined)[]> {
    const lookups = await cache.getMany<Value>(await Promise.all(keys.map(stored)));
    return lookups.map((each) => (each.found ? each.value : undefined));
  }

  async function* entriesOf<Value>(
    keys: string[],
    prefix: string,
  ): AsyncGenerator<[key: string, value: Value], void> {
    for (const lookup of await cache.getMany<Value>(keys)) {
      if (lookup.found) yield [lookup.key.slice(prefix.length), lookup.value];
    }
  }

  const store: KeyvStore = {
    // Keyv 5 offers an iterator only for the dialects that it knows.
    opts: { dialect: 'redis', url: '' },
    namespace: undefined,

    async get<Value>(key: string) {
      const found = cache.get<Value>(await stored(key));
      return orMiss(
        found.then((lookup) => (lookup.found ? lookup.value : undefined)),
        undefined,
      );
    },

    async getMany<Value>(keys: string[]) {
      return orMiss(
        lookup<Value>(keys),
        keys.map(() => undefined),
      );
    },

    async has(key) {
      return (await store.get(key)) !== undefined;
    },

    async hasMany(keys) {
      return (await store.getMany(keys)).map((value) => value !== undefined);
    },

    async set(key, value, ttl) {
      await cache.set(await stored(key), value, { ttl: ttlOfMs(ttl) });
      return true;
    },

    async setMany(entries) {
      const toEntry = async ({ key, value, ttl }: (typeof entries)[number]) => ({
        key: await stored(key),
        value,
        ttl: ttlOfMs(ttl),
      });
      await cache.setMany(await Promise.all(entries.map(toEntry)));
      return entries.map(() => true) as unknown as undefined;
    },

    async delete(key) {
      return store.deleteMany([key]);
    },

    async deleteMany(keys) {
      return (await cache.deleteMany(await Promise.all(keys.map(stored)))) > 0;
    },

    async clear() {
      if (store.namespace) await cache.invalidate(patternOf(prefixOf(store.namespace)));
      else await cache.clear();
    },

    async *iterator<Value>(namespace = store.namespace) {
      const prefix = prefixOf(namespace);
      let page: string[] = [];
      for await (const { key, stale } of cache.keys({ pattern: patternOf(prefix) })) {
        if (stale || isShortened(key)) continue;
        page.push(key);
        if (page.length < PAGE) continue;
        yield* entriesOf<Value>(page, prefix);
        page = [];
      }
      yield* entriesOf<Value>(page, prefix);
    },

    async disconnect() {
      // The client has no connection of its own.
    },

    on(event, listener) {
      if (event === 'error') listeners.push(listener);
      return store;
    },
  };
  return store;
}
