import { randomUUID } from 'node:crypto';
import type { Config } from '../../config/config.ts';
import { BackendUnavailableError } from '../../errors.ts';
import type { Log } from '../../log/log.ts';
import type { Glob } from '../glob.ts';
import {
  type CacheStore,
  type Hit,
  type Invalidation,
  type Item,
  noObserver,
  type ServerState,
  type StoreObserver,
  type Usage,
} from '../store.ts';
import { firstWithin } from '../take-within-bytes.ts';
import { clearShard } from './clear.ts';
import { Connection } from './connection/connection.ts';
import { accessSource } from './connection/credentials.ts';
import { type ConnectionProfile, profileFor } from './connection/profiles.ts';
import { sideBySide } from './connection/send-together.ts';
import { decodeEntry } from './entry.ts';
import { invalidateShard } from './invalidate.ts';
import { byShard, type Shard, shardsOf } from './keyspace.ts';
import { remove } from './scripts.ts';
import { askServers } from './server-state.ts';
import { usageOf } from './usage.ts';
import { type Removals, removals, requireWait } from './wait-replicas.ts';
import { Writer } from './writer.ts';

type Settings = Pick<Config, 'shards' | 'compressMinBytes'>;

/**
 * The share of a shard's reads that also touch its indexes. Entries are read without them, so an engine that evicts the least recently
 * used keys would evict the indexes of a shard that is only read, and with them the whole shard.
 */
const INDEX_TOUCHES = 1 / 8;

/**
 * Connects to the backend. If it cannot be reached, the store keeps trying until it is closed.
 *
 * @param profile timeouts and reconnect behaviour; those of the settings unless given
 */
export async function openDragonflyStore(
  config: Config,
  log: Log,
  observer: StoreObserver = noObserver,
  profile: ConnectionProfile = profileFor(config),
): Promise<DragonflyStore> {
  const connect = () => new Connection(accessSource(config), profile, log, observer);
  const connection = connect();
  const { waitReplicas } = config;
  // What waits for replicas keeps back what comes behind it on its connection; a function has nothing that does.
  const ownConnection = waitReplicas > 0 && !config.onLambda;
  const removing = removals(ownConnection ? connect() : connection, waitReplicas);
  const store = new DragonflyStore(config, connection, removing, observer);
  const starting = [store.learnClock(), waitReplicas > 0 ? requireWait(connection) : undefined];
  await Promise.all(starting).catch(async (error: unknown) => {
    // The connection has logged the reason.
    if (error instanceof BackendUnavailableError) return;
    await store.close();
    throw error;
  });
  return store;
}

/** The store on Dragonfly, or anything that speaks its protocol. */
export class DragonflyStore implements CacheStore {
  readonly kind = 'dragonfly';
  readonly #settings: Settings;
  readonly #connection: Connection;
  readonly #removals: Removals;
  readonly #writer: Writer;

  constructor(
    settings: Settings,
    connection: Connection,
    removing: Removals = removals(connection, 0),
    observer = noObserver,
  ) {
    this.#settings = settings;
    this.#connection = connection;
    this.#removals = removing;
    this.#writer = new Writer(settings, connection, observer);
  }

  async get(tenant: string, key: string): Promise<Hit | undefined> {
    // The only way to read entries: what a read must touch, such as the indexes, is decided in one place.
    const [hit] = await this.getMany(tenant, [key], Number.POSITIVE_INFINITY);
    return hit;
  }

  set(tenant: string, key: string, value: string, ttlSeconds: number): Promise<void> {
    return this.setMany(tenant, [{ key, value, ttlSeconds }]);
  }

  async delete(tenant: string, key: string): Promise<boolean> {
    return (await this.deleteMany(tenant, [key])) > 0;
  }

  async getMany(tenant: string, keys: readonly string[], maxBytes: number): Promise<(Hit | undefined)[]> {
    const groups = byShard(tenant, keys, (key) => key, this.#settings.shards);
    const reads = groups.map(({ shard, items }) => {
      const read = [shard.generation, ...shard.entries(items)];
      if (Math.random() < INDEX_TOUCHES) read.push(shard.expiryIndex, shard.nameIndex);
      return read;
    });
    const replies = await this.#connection.run(
      (client) =>
        sideBySide(
          client,
          reads.map((read) => () => client.mgetBuffer(read)),
        ),
      { command: 'MGET' },
    );
    const found: [entry: Buffer | null, generation: Buffer | null][] = new Array(keys.length);
    for (const [i, { places }] of groups.entries()) {
      const [generation = null, ...entries] = replies[i] ?? [];
      for (const [j, place] of places.entries()) found[place] = [entries[j] ?? null, generation];
    }
    const now = Date.now();
    return firstWithin(maxBytes, found, ([entry, generation]) => decodeEntry(entry, generation, now));
  }

  setMany(tenant: string, items: readonly Item[]): Promise<void> {
    return this.#writer.write(tenant, items);
  }

  async deleteMany(tenant: string, keys: readonly string[]): Promise<number> {
    const distinct = [...new Set(keys)];
    const groups = byShard(tenant, distinct, (key) => key, this.#settings.shards);
    const { connection, evaluate } = this.#removals;
    // Outlive a try that failed elsewhere: a shard that has answered would find nothing more to count.
    const counts: number[] = [];
    await connection.run((client) =>
      sideBySide(
        client,
        groups.map(({ shard, items }, i) => async () => {
          const keys = [...shard.helpers, ...shard.entries(items)];
          counts[i] ??= Number(await evaluate(client, remove, keys, items));
        }),
      ),
    );
    return counts.reduce((sum, count) => sum + count, 0);
  }

  async invalidate(tenant: string, pattern: Glob, deadline: number): Promise<Invalidation> {
    if (pattern.all) return { count: await this.clear(tenant, deadline), complete: true };
    if (pattern.literal !== undefined) {
      return { count: (await this.delete(tenant, pattern.literal)) ? 1 : 0, complete: true };
    }
    const shards = await this.#onEveryShard(tenant, (shard) =>
      invalidateShard(this.#removals, shard, pattern, deadline),
    );
    return {
      count: shards.reduce((sum, { count }) => sum + count, 0),
      complete: shards.every(({ complete }) => complete),
    };
  }

  async clear(tenant: string, deadline: number): Promise<number> {
    const id = randomUUID();
    const counts = await this.#onEveryShard(tenant, (shard) =>
      clearShard(this.#removals, shard, id, deadline),
    );
    return counts.reduce((sum, count) => sum + count, 0);
  }

  usage(tenant: string): Promise<Usage> {
    return usageOf(this.#connection, shardsOf(tenant, this.#settings.shards));
  }

  servers(): Promise<ServerState[]> {
    return askServers(this.#connection);
  }

  ping(): Promise<void> {
    return this.#connection.ping();
  }

  async close(): Promise<void> {
    await Promise.all([this.#connection.close(), this.#removals.connection.close()]);
  }

  /** Asks the server for its time, by which sets are refused that come too late. */
  learnClock(): Promise<void> {
    return this.#writer.learnClock();
  }

  /** Side by side. All are awaited even when one fails: a command that is left behind would harm the connection later. */
  async #onEveryShard<T>(tenant: string, work: (shard: Shard) => Promise<T>): Promise<T[]> {
    const results = await Promise.allSettled(shardsOf(tenant, this.#settings.shards).map(work));
    return results.map((result) => {
      if (result.status === 'rejected') throw result.reason;
      return result.value;
    });
  }
}
