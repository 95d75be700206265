import {
  CacheClient,
  type Entry,
  InvalidationIncompleteError,
  type LeaseLookup,
  LeaseLostError,
  type Lookup,
  type WasSet,
} from '../../lib/client/index.ts';
import { extractRaw } from '../../lib/json/extract.ts';
import { JsonText } from '../../lib/json/raw.ts';
import type { CacheStore, Hit, LeaseResult } from '../../lib/store/store.ts';

/** A store that calls a running service through the client. Values are JSON texts, which are sent and returned verbatim. */
export function clientStore(url: string, kind: CacheStore['kind']): CacheStore {
  const client = new CacheClient({
    url,
    tenant: 'nobody',
    parse: parseVerbatim,
    stringify: (value) => value as string,
    timeoutMs: 25_000,
  });
  const of = (tenant: string) => client.forTenant(tenant);
  const get = together<string, Lookup<JsonText>>(
    (tenant, key) => of(tenant).get(key),
    (tenant, keys) => of(tenant).getMany(keys),
  );
  const set = together<Entry, WasSet>(
    (tenant, { key, value, ...options }) =>
      of(tenant)
        .set(key, value, options)
        .catch((error: unknown) => {
          if (error instanceof LeaseLostError) return { key, ttl: 0, leaseLost: true } as const;
          throw error;
        }),
    (tenant, entries) => of(tenant).setMany(entries),
  );
  return {
    kind,
    get: async (tenant, key) => hitOf(await get(tenant, key)),
    set: async (tenant, key, value, ttl, { graceSeconds: grace, lease } = {}) => {
      const { leaseLost } = await set(tenant, { key, value, ttl, grace, lease });
      return !leaseLost;
    },
    lease: async (tenant, key, lease) => leaseResultOf(await of(tenant).lease<JsonText>(key, { lease })),
    leaseMany: (tenant, keys, lease) =>
      Promise.all(keys.map(async (key) => leaseResultOf(await of(tenant).lease<JsonText>(key, { lease })))),
    release: (tenant, key, token) => of(tenant).release(key, token),
    touch: (tenant, key, ttl) => of(tenant).touch(key, ttl),
    // A single delete does not return whether the entry existed.
    delete: async (tenant, key) => (await of(tenant).deleteMany([key])) === 1,
    // A caller of the service cannot set the maximum size of a batch.
    getMany: async (tenant, keys) => (await of(tenant).getMany<JsonText>(keys)).map(hitOf),
    setMany: async (tenant, items) => {
      const entries = items.map(({ ttlSeconds: ttl, graceSeconds: grace, ...item }) => ({
        ...item,
        ttl,
        grace,
      }));
      const results = await of(tenant).setMany(entries);
      return results.map(({ leaseLost }) => !leaseLost);
    },
    deleteMany: (tenant, keys) => of(tenant).deleteMany(keys),
    // A caller of the service cannot set a deadline.
    invalidate: async (tenant, { pattern }) => {
      try {
        return { count: await of(tenant).invalidate(pattern ?? '*'), complete: true };
      } catch (error) {
        if (!(error instanceof InvalidationIncompleteError)) throw error;
        return { count: error.count, complete: false };
      }
    },
    // A clear does not return the number of removed entries.
    clear: async (tenant) => {
      const { entries } = await of(tenant).usage();
      await of(tenant).clear();
      return entries;
    },
    usage: async (tenant) => {
      const { entries, bytes } = await of(tenant).usage();
      return { entries, bytes: bytes.estimated, sampled: bytes.sampled, missing: bytes.missing };
    },
    invalidateTags: () => Promise.reject(new Error('The wire does not carry tags yet')),
    listKeys: () => Promise.reject(new Error('The wire does not carry lists of keys yet')),
    servers: () => Promise.reject(new Error('The wire does not carry what servers say of themselves')),
    ping: async () => {
      await client.health();
    },
    close: async () => {},
  };
}

/** Sends concurrent operations of one tenant as batches: the suites start thousands, which would otherwise be single requests. */
function together<I, R>(
  one: (tenant: string, item: I) => Promise<R>,
  many: (tenant: string, items: I[]) => Promise<R[]>,
): (tenant: string, item: I) => Promise<R> {
  const gathering = new Map<string, { items: I[]; results: Promise<R[]> }>();
  const send = async (tenant: string, items: I[]): Promise<R[]> => {
    await new Promise(setImmediate);
    gathering.delete(tenant);
    return items.length === 1 ? [await one(tenant, items[0] as I)] : many(tenant, items);
  };
  return async (tenant, item) => {
    const items: I[] = [];
    const batch = gathering.get(tenant) ?? { items, results: send(tenant, items) };
    gathering.set(tenant, batch);
    const index = batch.items.push(item) - 1;
    return (await batch.results)[index] as R;
  };
}

function leaseResultOf(lookup: LeaseLookup<JsonText>): LeaseResult {
  const { lease } = lookup;
  return {
    hit: hitOf(lookup),
    ...(lease && { lease: { token: lease.token, ttlSeconds: lease.ttl } }),
    ...(!lookup.found && { retryAfterMs: lookup.retryAfterMs }),
  };
}

function hitOf(lookup: Lookup<JsonText>): Hit | undefined {
  if (!lookup.found) return undefined;
  const { text } = lookup.value;
  return { value: text, bytes: Buffer.byteLength(text), ttl: lookup.ttl };
}

/** Parses a response and keeps its values as JSON texts. */
function parseVerbatim(body: string): unknown {
  const alone = extractRaw(body, 'data.value');
  const { skeleton, rawValues } = alone.rawValues.length > 0 ? alone : extractRaw(body, 'data.items[].value');
  return JSON.parse(skeleton, (name, value) =>
    name === 'value' ? new JsonText(rawValues[value] ?? '') : value,
  );
}
