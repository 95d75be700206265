import { randomBytes } from 'node:crypto';
import { accessSource } from '../../backend/access.ts';
import type { Client } from '../../backend/client.ts';
import { Connection } from '../../backend/connection.ts';
import { presets } from '../../backend/preset.ts';
import type { Config } from '../../config.ts';
import { BackendUnavailableError } from '../../errors.ts';
import type { Log } from '../../telemetry/log.ts';
import type { Glob } from '../glob.ts';
import type { CacheStore, Hit, Invalidation } from '../store.ts';
import { clearShard } from './clear.ts';
import { decodeEntry, encodeEntry } from './entry.ts';
import { evaluate } from './evaluate.ts';
import { invalidateShard } from './invalidate.ts';
import { type Shard, shardOf, shardsOf } from './keyspace.ts';
import { GENERATION_BYTES, remove, set } from './scripts.ts';

type Settings = Pick<Config, 'shards' | 'compressMinBytes'>;

/**
 * How long after its call a set may still take effect, in milliseconds: less than its caller waits, so that one that was
 * answered with a failure cannot come true a moment later, whatever timers and clocks round.
 */
const SET_WINDOW_MS = presets.lambda.operationTimeout - 50;

/** Connects to the backend; one that cannot be reached is tried again for as long as the store is open. */
export async function openDragonflyStore(config: Config, log: Log): Promise<DragonflyStore> {
  const preset = config.onLambda ? presets.lambda : presets.server;
  const store = new DragonflyStore(config, new Connection(accessSource(config), preset, log));
  await store.learnClock().catch((error: unknown) => {
    if (!(error instanceof BackendUnavailableError)) throw error;
    log.warn('The backend cannot be reached; requests are answered 503 until it is', { cause: error.cause });
  });
  return store;
}

/** The store on Dragonfly, or anything that speaks its protocol. */
export class DragonflyStore implements CacheStore {
  readonly kind = 'dragonfly';
  readonly #settings: Settings;
  readonly #connection: Connection;
  /** How far the server's clock is ahead of ours, in milliseconds. */
  #clockOffset = 0;

  constructor(settings: Settings, connection: Connection) {
    this.#settings = settings;
    this.#connection = connection;
  }

  async get(tenant: string, key: string): Promise<Hit | undefined> {
    const shard = this.#shard(tenant, key);
    const [generation, entry] = await this.#connection.run((client) =>
      client.mgetBuffer(shard.generation, shard.entry(key)),
    );
    return decodeEntry(entry ?? null, generation ?? null, Date.now());
  }

  async set(tenant: string, key: string, value: string, ttlSeconds: number): Promise<void> {
    const shard = this.#shard(tenant, key);
    const { head, body } = encodeEntry(value, ttlSeconds, this.#settings.compressMinBytes);
    const deadline = Date.now() + SET_WINDOW_MS;
    const write = (client: Client) =>
      evaluate(
        client,
        set,
        [...helpersOf(shard), shard.entry(key)],
        [deadline + this.#clockOffset, ttlSeconds * 1000, randomBytes(GENERATION_BYTES), key, head, body],
      );
    let refusedAt = Number(await this.#connection.run(write));
    if (refusedAt !== 0 && Date.now() < deadline) {
      // Not late by our clock: the clocks disagree by more than was known.
      this.#clockOffset = refusedAt - Date.now();
      refusedAt = Number(await this.#connection.run(write));
    }
    if (refusedAt !== 0) throw new BackendUnavailableError('a set came to the server past its deadline');
  }

  async delete(tenant: string, key: string): Promise<boolean> {
    const shard = this.#shard(tenant, key);
    const removed = await this.#connection.run((client) =>
      evaluate(client, remove, [...helpersOf(shard), shard.entry(key)], [key]),
    );
    return Number(removed) > 0;
  }

  async invalidate(tenant: string, pattern: Glob, deadline: number): Promise<Invalidation> {
    if (pattern.all) return { count: await this.clear(tenant, deadline), complete: true };
    if (pattern.literal !== undefined) {
      return { count: (await this.delete(tenant, pattern.literal)) ? 1 : 0, complete: true };
    }
    const shards = await this.#onEveryShard(tenant, (shard) =>
      invalidateShard(this.#connection, shard, pattern, deadline),
    );
    return {
      count: shards.reduce((sum, { count }) => sum + count, 0),
      complete: shards.every(({ complete }) => complete),
    };
  }

  async clear(tenant: string, deadline: number): Promise<number> {
    const id = randomBytes(GENERATION_BYTES).toString('hex');
    const counts = await this.#onEveryShard(tenant, (shard) =>
      clearShard(this.#connection, shard, id, deadline),
    );
    return counts.reduce((sum, count) => sum + count, 0);
  }

  ping(): Promise<void> {
    return this.#connection.ping();
  }

  close(): Promise<void> {
    return this.#connection.close();
  }

  /** Asks the server for its time, by which sets are refused that come too late. */
  async learnClock(): Promise<void> {
    const [seconds, microseconds] = await this.#connection.run((client) => client.time());
    this.#clockOffset = Number(seconds) * 1000 + Math.floor(Number(microseconds) / 1000) - Date.now();
  }

  #shard(tenant: string, key: string): Shard {
    return shardOf(tenant, key, this.#settings.shards);
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

function helpersOf({ generation, expiryIndex, nameIndex }: Shard): string[] {
  return [generation, expiryIndex, nameIndex];
}
