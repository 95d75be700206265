import {
  CacheClient,
  type Entry,
  InvalidationIncompleteError,
  type LeaseLookup,
  LeaseLostError,
  type Lookup,
  type WasSet,
} from '../../lib/client/index.ts';
import { listKeys } from '../../lib/client/requests.ts';
import { Sender } from '../../lib/client/sender.ts';
import { settingsOf } from '../../lib/client/settings.ts';
import { extractRaw } from '../../lib/json/extract.ts';
import { JsonText } from '../../lib/json/raw.ts';
import type { CacheStore, Hit, Invalidation, LeaseResult } from '../../lib/store/store.ts';

/** A store that calls a running service through the client. Values are JSON texts, which are sent and returned verbatim. */
export function clientStore(url: string, kind: CacheStore['kind']): CacheStore {
  const options = {
    url,
    tenant: 'nobody',
    parse: parseVerbatim,
    stringify: (value: unknown) => value as string,
    timeoutMs: 25_000,
  };
  const client = new CacheClient(options);
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
    set: async (tenant, key, value, ttl, { graceSeconds: grace, lease, tags } = {}) => {
      const { leaseLost } = await set(tenant, { key, value, ttl, grace, lease, tags });
      return !leaseLost;
    },
    lease: async (tenant, key, lease, tags) =>
      leaseResultOf(await of(tenant).lease<JsonText>(key, { lease, tags })),
    // One request for each key: of two for the same key, only the one that arrives first gets the lease.
    leaseMany: async (tenant, keys, lease, _maxBytes, { tags } = {}) => {
      const request = async (key: string) =>
        [key, leaseResultOf(await of(tenant).lease<JsonText>(key, { lease, tags }))] as const;
      const results = new Map(await Promise.all([...new Set(keys)].map(request)));
      return keys.map((key) => results.get(key) as LeaseResult);
    },
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
    invalidate: (tenant, { pattern }) => invalidationOf(of(tenant).invalidate(pattern ?? '*')),
    invalidateTags: (tenant, tags) => invalidationOf(of(tenant).invalidateTags(tags)),
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
    // A page begins at a cursor, not after a key, and the client returns keys one by one: this is the request that it sends for each page.
    listKeys: async (tenant, { pattern: { pattern }, tag, limit, after: cursor }) => {
      const sender = new Sender({ ...options, tenant }, settingsOf(options));
      const page = await sender.send(listKeys(tenant, { pattern, tag, limit, cursor }), {});
      return { keys: page.keys.map(({ stale: _, ...key }) => key), next: page.cursor };
    },
    takeRequests: () => Promise.reject(new Error('The wire does not carry token buckets')),
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

async function invalidationOf(call: Promise<number>): Promise<Invalidation> {
  try {
    return { count: await call, complete: true };
  } catch (error) {
    if (!(error instanceof InvalidationIncompleteError)) throw error;
    return { count: error.count, complete: false };
  }
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
