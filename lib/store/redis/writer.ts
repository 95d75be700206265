import type { Config } from '../../config/config.ts';
import { BackendUnavailableError } from '../../errors.ts';
import { type Item, noObserver, type StoreObserver } from '../store.ts';
import type { Connection } from './connection/connection.ts';
import { type Argument, evaluate, sendTogether } from './connection/send.ts';
import { WriteDeadline } from './deadlines.ts';
import { encodeEntry, encodeTtl, newGeneration } from './entry.ts';
import { EvictionProbe, type Probe } from './eviction-probe.ts';
import { byShard, type Shard, type ShardItems } from './keyspace.ts';
import { set, touch } from './scripts.ts';

export type StoreSettings = Pick<Config, 'shards' | 'compressMinBytes'>;

/** After this time without a reply, a server or a proxy may have closed the connection as idle. */
const MAX_SILENCE_MS = 30_000;

/** The encoded entries of one shard. */
interface Write {
  shard: Shard;
  keys: (string | Buffer)[];
  /** Four arguments for each entry: TTL in milliseconds, name, head, body. */
  args: Argument[];
  /** By how many bytes compression made the values smaller. */
  savedBytes: number;
}

/**
 * Writes entries and changes their TTLs.
 *
 * Late writes are rejected. Each set and touch carries a deadline, which the script checks against the server's clock. A set that timed
 * out or was retried therefore cannot apply after a later invalidation, nor a touch after a later set.
 */
export class Writer {
  readonly #settings: StoreSettings;
  readonly #connection: Connection;
  readonly #observer: StoreObserver;
  readonly #evictionProbe = new EvictionProbe();
  /** The server's clock minus ours, in milliseconds; undefined until it is known. */
  #clockOffsetMs: number | undefined;

  constructor(settings: StoreSettings, connection: Connection, observer = noObserver) {
    this.#observer = observer;
    this.#settings = settings;
    this.#connection = connection;
  }

  /** @throws BackendUnavailableError */
  async write(tenant: string, items: readonly Item[]): Promise<void> {
    const { shards, compressMinBytes } = this.#settings;
    let writes = byShard(tenant, items, ({ key }) => key, shards).map((group) =>
      encodeWrite(group, compressMinBytes),
    );
    for (const { savedBytes } of writes) if (savedBytes > 0) this.#observer.compressed(savedBytes);
    await this.#beforeDeadline(async (deadline) => {
      const { rejected, serverEpochMs } = await this.#send(writes, deadline);
      writes = rejected;
      return serverEpochMs;
    });
  }

  /** @returns false if there is no live entry @throws BackendUnavailableError */
  async touch(tenant: string, key: string, ttlSeconds: number): Promise<boolean> {
    const [{ shard }] = byShard(tenant, [key], (key) => key, this.#settings.shards) as [ShardItems<string>];
    let found = false;
    await this.#beforeDeadline(async (deadline) => {
      const reply = await this.#connection.run(
        (client) => {
          const args = [this.#serverDeadline(deadline), ttlSeconds * 1000, encodeTtl(ttlSeconds), key];
          return evaluate(client, touch, [...shard.metaKeys, shard.entryKey(key)], args);
        },
        { deadlineMonotonicMs: deadline.monotonicMs },
      );
      if (!Array.isArray(reply)) return Number(reply);
      found = reply[0] === 1;
      return undefined;
    });
    return found;
  }

  /**
   * Sends a write with a deadline. If the server rejects it only because the clocks disagree, sends it once more.
   *
   * @param send resolves to undefined, or to the server's time in epoch milliseconds if it rejected writes as late
   */
  async #beforeDeadline(send: (deadline: WriteDeadline) => Promise<number | undefined>): Promise<void> {
    const deadline = new WriteDeadline(this.#connection.profile);
    // While the offset is unknown, a server whose clock is behind would accept late sets. After a pause, TIME also checks the connection:
    // a write that hits a dead connection must wait for the deadline of its abandoned attempt.
    const silentMs = Date.now() - this.#connection.lastReplyEpochMs;
    if (this.#clockOffsetMs === undefined || silentMs > MAX_SILENCE_MS) {
      await this.learnClock(deadline.monotonicMs);
    }
    let rejectedAtEpochMs = await send(deadline);
    if (rejectedAtEpochMs !== undefined && Date.now() < deadline.epochMs) {
      // Not late by our clock: the offset has changed.
      this.#clockOffsetMs = rejectedAtEpochMs - Date.now();
      rejectedAtEpochMs = await send(deadline);
    }
    if (rejectedAtEpochMs !== undefined) {
      throw new BackendUnavailableError('the server received a write after its deadline');
    }
    await deadline.waitForAbandonedAttempts(this.#connection.lastLossMonotonicMs);
  }

  /**
   * Reads the server's time, which the deadlines of sets are relative to.
   *
   * @param deadlineMonotonicMs by `performance.now()`. Default: the operation timeout from now.
   */
  async learnClock(deadlineMonotonicMs?: number): Promise<void> {
    const [seconds, microseconds] = await this.#connection.run((client) => client.time(), {
      deadlineMonotonicMs,
      command: 'TIME',
    });
    this.#clockOffsetMs = Number(seconds) * 1000 + Math.floor(Number(microseconds) / 1000) - Date.now();
  }

  /** The deadline of an attempt that is sent now, in epoch milliseconds by the server's clock. */
  #serverDeadline(deadline: WriteDeadline): number {
    return deadline.startAttempt() + (this.#clockOffsetMs ?? 0);
  }

  /** @returns the writes that the server rejected as late; if there are any, also its time in epoch milliseconds */
  async #send(
    writes: Write[],
    deadline: WriteDeadline,
  ): Promise<{ rejected: Write[]; serverEpochMs: number | undefined }> {
    const generation = newGeneration();
    const probes = writes.map(({ shard }) => this.#evictionProbe.next(shard.generation));
    const replies = await this.#connection.run(
      (client) => {
        const serverDeadline = this.#serverDeadline(deadline);
        return sendTogether(
          client,
          writes.map(({ shard, keys, args }, i) => () => {
            const { names, sampleCount } = probes[i] as Probe;
            return evaluate(
              client,
              set,
              [...shard.metaKeys, ...keys, ...shard.entryKeys(names)],
              [serverDeadline, generation, keys.length, sampleCount, Math.random(), ...args, ...names],
            );
          }),
        );
      },
      { deadlineMonotonicMs: deadline.monotonicMs },
    );
    const rejected: Write[] = [];
    let serverEpochMs: number | undefined;
    for (const [i, write] of writes.entries()) {
      const reply = replies[i];
      if (Array.isArray(reply)) {
        const [evictedCount, ...sample] = reply as [number, ...Buffer[]];
        this.#evictionProbe.record(write.shard.generation, probes[i] as Probe, evictedCount, sample);
      } else {
        rejected.push(write);
        serverEpochMs = Math.max(serverEpochMs ?? 0, Number(reply));
      }
    }
    return { rejected, serverEpochMs };
  }
}

function encodeWrite({ shard, items }: ShardItems<Item>, compressMinBytes: number): Write {
  const write: Write = { shard, keys: [], args: [], savedBytes: 0 };
  for (const { key, value, ttlSeconds } of items) {
    const { head, body, savedBytes } = encodeEntry(value, ttlSeconds, compressMinBytes);
    write.keys.push(shard.entryKey(key));
    write.args.push(ttlSeconds * 1000, key, head, body);
    write.savedBytes += savedBytes;
  }
  return write;
}
