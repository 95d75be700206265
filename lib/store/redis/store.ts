import { randomUUID } from 'node:crypto';
import type { Config } from '../../config/config.ts';
import type { RequestRate } from '../../config/tenant-limits.ts';
import { BackendUnavailableError } from '../../errors.ts';
import type { Log } from '../../log/log.ts';
import type { Glob } from '../glob.ts';
import { newId } from '../id.ts';
import { isHeld, MIN_RETRY_MS, retryAfterMs } from '../lease.ts';
import {
  type CacheStore,
  type Hit,
  type Invalidation,
  type Item,
  type KeyFilter,
  type KeyPage,
  type LeaseManyOptions,
  type LeaseResult,
  noLimits,
  noObserver,
  type RateReply,
  type ServerState,
  type SetOptions,
  type StorageLimitsOf,
  type StoreObserver,
  takeWithinBytes,
  type Usage,
} from '../store.ts';
import { clearShard } from './clear.ts';
import { Connection } from './connection/connection.ts';
import { accessSource } from './connection/credentials.ts';
import { type ConnectionProfile, profileFor } from './connection/profiles.ts';
import { awaitAll, evaluate, sendTogether } from './connection/send.ts';
import { decodeEntry, dependsOnClock, type StoredEntry } from './entry.ts';
import { invalidateShard, invalidateTags } from './invalidate.ts';
import { byShard, rateKey, removedPerScript, type Shard, shardsOf } from './keyspace.ts';
import { listKeysOf } from './list-keys.ts';
import { takeRequests } from './scripts/rate.ts';
import { remove } from './scripts/remove.ts';
import { ServerClock } from './server-clock.ts';
import { readServerStates } from './server-state.ts';
import { createRemovalExecutor, type RemovalExecutor, requireWait } from './wait-replicas.ts';
import { type StoreSettings, Writer } from './writer.ts';

/**
 * The share of reads that also read the shard's indexes. A server that evicts the least recently used keys would otherwise evict the
 * indexes of a shard that is only read, and so invalidate the shard.
 */
const INDEX_TOUCH_RATIO = 1 / 8;

/**
 * Connects to the backend. If it cannot be reached, the store keeps trying until it is closed.
 *
 * @throws ConfigError if `WAIT_REPLICAS` is set and the backend has no WAIT command
 */
export async function openRedisStore(
  config: Config,
  log: Log,
  observer: StoreObserver = noObserver,
  profile: ConnectionProfile = profileFor(config),
  limitsOf: StorageLimitsOf = noLimits,
): Promise<RedisStore> {
  const connect = () => new Connection(accessSource(config), profile, log, observer);
  const connection = connect();
  const { waitReplicas } = config;
  // WAIT blocks the commands behind it on its connection. A function processes one request at a time, so there are none.
  const ownConnection = waitReplicas > 0 && !config.onLambda;
  const removals = createRemovalExecutor(ownConnection ? connect() : connection, waitReplicas);
  const store = new RedisStore({ ...config, limitsOf }, connection, removals, observer);
  const starting = [store.readClock(), waitReplicas > 0 ? requireWait(connection) : undefined];
  await Promise.all(starting).catch(async (error: unknown) => {
    // The connection has logged the reason.
    if (error instanceof BackendUnavailableError) return;
    await store.close();
    throw error;
  });
  return store;
}

/** The store on Dragonfly, Valkey, Redis, or anything else that speaks the Redis protocol. */
export class RedisStore implements CacheStore {
  readonly kind = 'dragonfly';
  readonly #settings: StoreSettings;
  readonly #connection: Connection;
  readonly #removals: RemovalExecutor;
  readonly #clock: ServerClock;
  readonly #writer: Writer;

  constructor(
    settings: StoreSettings,
    connection: Connection,
    removals = createRemovalExecutor(connection, 0),
    observer = noObserver,
  ) {
    this.#settings = settings;
    this.#connection = connection;
    this.#removals = removals;
    this.#clock = new ServerClock(connection);
    this.#writer = new Writer(settings, connection, this.#clock, observer);
  }

  async get(tenant: string, key: string): Promise<Hit | undefined> {
    // `getMany` is the only method that reads entries and decides what a read must touch.
    const [hit] = await this.getMany(tenant, [key], Number.POSITIVE_INFINITY);
    return hit;
  }

  async set(
    tenant: string,
    key: string,
    value: string,
    ttlSeconds: number,
    options: SetOptions = {},
  ): Promise<boolean> {
    const [wasSet] = await this.setMany(tenant, [{ key, value, ttlSeconds, ...options }]);
    return wasSet === true;
  }

  touch(tenant: string, key: string, ttlSeconds: number): Promise<boolean> {
    return this.#writer.touch(tenant, key, ttlSeconds);
  }

  async lease(
    tenant: string,
    key: string,
    leaseSeconds: number,
    tags?: readonly string[],
  ): Promise<LeaseResult> {
    const [result] = await this.leaseMany(tenant, [key], leaseSeconds, Number.POSITIVE_INFINITY, { tags });
    return result as LeaseResult;
  }

  release(tenant: string, key: string, token: string): Promise<void> {
    return this.#writer.release(tenant, key, token);
  }

  async delete(tenant: string, key: string): Promise<boolean> {
    return (await this.deleteMany(tenant, [key])) > 0;
  }

  async getMany(tenant: string, keys: readonly string[], maxBytes: number): Promise<(Hit | undefined)[]> {
    const entries = await this.#read(tenant, keys, maxBytes, { wantsStale: false });
    return entries.map((entry) => entry?.hit);
  }

  async leaseMany(
    tenant: string,
    keys: readonly string[],
    leaseSeconds: number,
    maxBytes: number,
    { tags = [], beforeGrant }: LeaseManyOptions = {},
  ): Promise<LeaseResult[]> {
    // Both round trips share the time of one operation.
    const endMonotonicMs = performance.now() + this.#connection.profile.operationTimeoutMs;
    const entries = await this.#read(tenant, keys, maxBytes, { wantsStale: true, endMonotonicMs });
    beforeGrant?.(entries.map((entry) => entry?.hit));
    const nowEpochMs = this.#clock.latestEpochMs;
    const isOpen = (entry: StoredEntry | undefined) =>
      !entry || (entry.lease && !isHeld(entry.lease, nowEpochMs));
    const openKeys = entries.length < keys.length ? [] : keys.filter((_, index) => isOpen(entries[index]));
    const tokens = new Map(openKeys.map((key) => [key, newId()]));
    const grants =
      tokens.size > 0
        ? await this.#writer.lease(tenant, tokens, leaseSeconds, tags, endMonotonicMs)
        : undefined;
    let leftBytes = entries.reduce((left, entry) => left - (entry?.hit?.bytes ?? 0), maxBytes);
    return entries.map((entry, index) => {
      const key = keys[index] as string;
      const token = tokens.get(key);
      if (token === undefined) return answerOf(entry, nowEpochMs);
      const grant = grants?.get(key);
      // The server refuses writes: the caller shall produce the value, and not set it.
      if (!grant) return { hit: entry?.hit };
      const current = decodeEntry(grant.entry, grant.generation, nowEpochMs);
      if (grant.granted)
        return { hit: current?.hit, lease: { token, ttlSeconds: current?.lease?.seconds ?? 0 } };
      // Another caller set the value between the two round trips. `beforeGrant` has not seen it, and escaping at most doubles its length.
      leftBytes -= current?.hit?.bytes ?? 0;
      if (keys.length > 1 && current?.hit && leftBytes < maxBytes / 2) return { retryAfterMs: MIN_RETRY_MS };
      return answerOf(current, nowEpochMs);
    });
  }

  setMany(tenant: string, items: readonly Item[]): Promise<boolean[]> {
    return this.#writer.write(tenant, items);
  }

  async deleteMany(tenant: string, keys: readonly string[]): Promise<number> {
    const distinct = [...new Set(keys)];
    const groups = byShard(tenant, distinct, (key) => key, this.#settings.shards);
    const { connection, evaluate } = this.#removals;
    // Kept across retries: a shard that has replied once would count 0 the second time.
    const counts: number[] = [];
    await connection.run((client) =>
      sendTogether(
        client,
        groups.map(({ shard, items }, i) => async () => {
          const keys = [...shard.metaKeys, ...shard.entryKeys(items)];
          counts[i] ??= Number(await evaluate(client, remove, keys, items));
        }),
      ),
    );
    return counts.reduce((sum, count) => sum + count, 0);
  }

  async invalidate(tenant: string, pattern: Glob, deadlineEpochMs: number): Promise<Invalidation> {
    if (pattern.all) return { count: await this.clear(tenant, deadlineEpochMs), complete: true };
    if (pattern.literal !== undefined) {
      return { count: (await this.delete(tenant, pattern.literal)) ? 1 : 0, complete: true };
    }
    return sumOf(
      await this.#onEveryShard(tenant, (shard) =>
        invalidateShard(
          this.#removals,
          shard,
          pattern,
          removedPerScript(this.#settings.shards),
          deadlineEpochMs,
        ),
      ),
    );
  }

  async invalidateTags(
    tenant: string,
    tags: readonly string[],
    deadlineEpochMs: number,
  ): Promise<Invalidation> {
    return sumOf(
      await this.#onEveryShard(tenant, (shard) =>
        invalidateTags(this.#removals, shard, tags, removedPerScript(this.#settings.shards), deadlineEpochMs),
      ),
    );
  }

  async clear(tenant: string, deadlineEpochMs: number): Promise<number> {
    const id = randomUUID();
    const counts = await this.#onEveryShard(tenant, (shard) =>
      clearShard(this.#removals, shard, id, removedPerScript(this.#settings.shards), deadlineEpochMs),
    );
    return counts.reduce((sum, count) => sum + count, 0);
  }

  listKeys(tenant: string, filter: KeyFilter, deadlineEpochMs: number): Promise<KeyPage> {
    return listKeysOf(this.#connection, shardsOf(tenant, this.#settings.shards), filter, deadlineEpochMs);
  }

  async usage(tenant: string): Promise<Usage> {
    // Only usage reports and limits of bytes need it, and each kilobyte costs every cold start.
    const { usageOf } = await import('./usage.ts');
    return usageOf(this.#connection, shardsOf(tenant, this.#settings.shards));
  }

  async takeRequests(tenant: string, { perSecond, burst }: RequestRate, count: number): Promise<RateReply> {
    const reply = await this.#connection.run((client) =>
      evaluate(client, takeRequests, [rateKey(tenant)], [perSecond, burst, count]),
    );
    const [waitMicros, remaining, resetMicros] = reply as [number, number, number];
    return {
      retryAfterMs: waitMicros > 0 ? waitMicros / 1000 : undefined,
      remaining,
      resetMs: resetMicros / 1000,
    };
  }

  servers(): Promise<ServerState[]> {
    return readServerStates(this.#connection);
  }

  ping(): Promise<void> {
    return this.#connection.ping();
  }

  async close(): Promise<void> {
    await Promise.all([this.#connection.close(), this.#removals.connection.close()]);
  }

  /** See `ServerClock`. */
  readClock(): Promise<void> {
    return this.#clock.read();
  }

  /** Reads entries in one round trip. See `takeWithinBytes` for the length of the result. */
  async #read(
    tenant: string,
    keys: readonly string[],
    maxBytes: number,
    { wantsStale, endMonotonicMs }: { wantsStale: boolean; endMonotonicMs?: number },
  ): Promise<(StoredEntry | undefined)[]> {
    const groups = byShard(tenant, keys, (key) => key, this.#settings.shards);
    const reads = groups.map(({ shard, items }) => {
      const read = [shard.generation, ...shard.entryKeys(items)];
      if (Math.random() < INDEX_TOUCH_RATIO) read.push(shard.expiryIndex, shard.nameIndex);
      return read;
    });
    const replies = await this.#connection.run(
      (client) =>
        sendTogether(
          client,
          reads.map((read) => () => client.mgetBuffer(read)),
        ),
      { command: 'MGET', deadlineMonotonicMs: endMonotonicMs },
    );
    const found: [entry: Buffer | null, generation: Buffer | null][] = new Array(keys.length);
    for (const [i, { indexes }] of groups.entries()) {
      const [generation = null, ...entries] = replies[i] ?? [];
      for (const [j, index] of indexes.entries()) found[index] = [entries[j] ?? null, generation];
    }
    if (!this.#clock.isAccurate && found.some(([entry]) => dependsOnClock(entry))) {
      await this.#clock.read(endMonotonicMs);
    }
    const { latestEpochMs } = this.#clock;
    return takeWithinBytes(
      maxBytes,
      found,
      ([entry, generation]) => decodeEntry(entry, generation, latestEpochMs, wantsStale),
      (entry) => entry?.hit,
    );
  }

  /** Runs work for all shards at the same time. All are awaited even if one fails: an abandoned command would harm the connection later. */
  #onEveryShard<T>(tenant: string, work: (shard: Shard) => Promise<T>): Promise<T[]> {
    return awaitAll(shardsOf(tenant, this.#settings.shards).map(work));
  }
}

function sumOf(parts: Invalidation[]): Invalidation {
  return {
    count: parts.reduce((sum, { count }) => sum + count, 0),
    complete: parts.every(({ complete }) => complete),
  };
}

/** The answer to a lease request that gets no lease: a fresh value, or one on which another caller has the lease. */
function answerOf(entry: StoredEntry | undefined, nowEpochMs: number): LeaseResult {
  if (!entry?.lease) return { hit: entry?.hit };
  if (!entry.hit) return { retryAfterMs: retryAfterMs(entry.lease, nowEpochMs) };
  // No caller has a lease, and the server granted none: by its clock, which may be behind our bound of it, the value is still fresh.
  const isFresh = entry.lease.expiryEpochMs === 0;
  return { hit: isFresh ? { ...entry.hit, ttl: 1 } : entry.hit };
}
