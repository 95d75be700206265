/** Driver for unstorage, and so for the storage and the caches of Nitro and Nuxt. */
import {
  type Cache,
  checkAdapter,
  isShortened,
  patternOf,
  storedKey,
  type TtlOptions,
  ttlOf,
} from './limits.ts';

type UnstorageCache = Cache<
  'clear' | 'delete' | 'get' | 'getMany' | 'invalidate' | 'keys' | 'set' | 'setMany'
>;

export interface CacheServiceDriverOptions extends TtlOptions {
  /** Its tenant's entries are the storage. */
  cache: UnstorageCache;
}

/** `ttl`: seconds, rounded up. Undefined and 0 mean the driver's `ttl`. */
interface ItemOptions {
  ttl?: number;
}

interface KeyAndOptions {
  key: string;
  options?: ItemOptions;
}

export interface CacheServiceDriver {
  name: string;
  flags: { ttl: boolean };
  options: CacheServiceDriverOptions;
  getInstance(): UnstorageCache;
  hasItem(key: string): Promise<boolean>;
  getItem(key: string): Promise<string | null>;
  getItems(items: KeyAndOptions[]): Promise<{ key: string; value: string | null }[]>;
  setItem(key: string, value: string, options?: ItemOptions): Promise<void>;
  setItems(items: (KeyAndOptions & { value: string })[], commonOptions?: ItemOptions): Promise<void>;
  removeItem(key: string): Promise<void>;
  getMeta(key: string): Promise<{ ttl: number } | null>;
  getKeys(base?: string): Promise<string[]>;
  clear(base?: string): Promise<void>;
}

/**
 * Returns a driver for `createStorage({ driver })`. Values are the texts that unstorage makes of them: JSON, or base64 for `setItemRaw`.
 *
 * Every item expires, also without a `ttl`. `getMeta` returns its remaining `ttl` in seconds. A base must have at most 256 characters.
 * `getKeys` does not return keys that are too long for the service (1,024 bytes) or contain control characters. `clear` without a base
 * removes all entries of the tenant. Methods reject with the client's errors, as those of other drivers do: Nitro's caches treat that as a
 * miss. There is no `watch`.
 *
 * @throws TypeError without a client, or for a wrong option
 */
export function cacheServiceDriver(options: CacheServiceDriverOptions): CacheServiceDriver {
  const { cache } = options ?? {};
  checkAdapter(cache, options);
  return {
    name: 'cache-service',
    flags: { ttl: true },
    options,
    getInstance: () => cache,

    async hasItem(key) {
      return (await cache.get(await storedKey(key))).found;
    },

    async getItem(key) {
      const lookup = await cache.get<string>(await storedKey(key));
      return lookup.found ? lookup.value : null;
    },

    async getItems(items) {
      const stored = await Promise.all(items.map(({ key }) => storedKey(key)));
      const lookups = await cache.getMany<string>(stored);
      return items.map(({ key }, index) => {
        const lookup = lookups[index];
        return { key, value: lookup?.found ? lookup.value : null };
      });
    },

    async setItem(key, value, itemOptions) {
      await cache.set(await storedKey(key), value, { ttl: ttlOf(itemOptions?.ttl, options) });
    },

    async setItems(items, commonOptions) {
      const toEntry = async ({ key, value, options: own }: (typeof items)[number]) => ({
        key: await storedKey(key),
        value,
        ttl: ttlOf(own?.ttl ?? commonOptions?.ttl, options),
      });
      await cache.setMany(await Promise.all(items.map(toEntry)));
    },

    async removeItem(key) {
      await cache.delete(await storedKey(key));
    },

    async getMeta(key) {
      const lookup = await cache.get(await storedKey(key));
      return lookup.found ? { ttl: lookup.ttl } : null;
    },

    async getKeys(base = '') {
      const keys: string[] = [];
      for await (const { key, stale } of cache.keys({ pattern: patternOf(base) })) {
        if (!stale && !isShortened(key)) keys.push(key);
      }
      return keys;
    },

    async clear(base = '') {
      if (base === '') await cache.clear();
      else await cache.invalidate(patternOf(base));
    },
  };
}
