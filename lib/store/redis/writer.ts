import type { Config } from '../../config/config.ts';
import { BackendUnavailableError } from '../../errors.ts';
import { newId } from '../id.ts';
import { type Item, noLimits, type StorageLimitsOf, type StoreObserver } from '../store.ts';
import type { Connection } from './connection/connection.ts';
import { refusesWrites } from './connection/errors.ts';
import { type Argument, awaitAll, evaluate, sendTogether } from './connection/send.ts';
import { WriteDeadline } from './deadlines.ts';
import { encodeEntry, encodeTtl, TAG_SEPARATOR } from './entry.ts';
import { EvictionProbe, type Probe } from './eviction-probe.ts';
import { byShard, type Shard, type ShardItems, type ShardLimits, shardLimits, shardOf } from './keyspace.ts';
import { REAPED_PER_NAME } from './scripts/fragments.ts';
import { lease, release } from './scripts/lease.ts';
import { set } from './scripts/set.ts';
import { touch } from './scripts/touch.ts';
import type { ServerClock } from './server-clock.ts';
import type { Excess } from './storage-limits.ts';

/** The share of sets of one entry that remove expired names. Looking for them takes a tenth of a set's time, even if there are none. */
const REAP_RATIO = 1 / 4;

/** The reply to a write that has nothing to report: nothing evicted, lost or in excess, and no sample. */
const NOTHING: SetReply = [0, [], null];

export type StoreSettings = Pick<Config, 'shards' | 'compressMinBytes'> & {
  /** Default: no limits. */
  limitsOf?: StorageLimitsOf;
};

/** The encoded entries of one shard. */
interface Write {
  shard: Shard;
  keys: (string | Buffer)[];
  /** Six arguments for each entry, see `set`. */
  args: Argument[];
  /** The entries' indexes among the items of all shards. */
  indexes: number[];
  /** By how many bytes compression made the values smaller. */
  savedBytes: number;
}

/** The reply of the script `set`. */
type SetReply = [evictedCount: number, lost: number[], excess: Excess | null, ...sample: Buffer[]];

/** What the replies to a write say. */
interface Written {
  /** For each item: false if its lease has ended. */
  wasSet: boolean[];
  /** The shards that exceed the tenant's limits. */
  excess: { shard: Shard; excess: Excess }[];
}

/** The reply to a lease request for one key. */
export interface GrantReply {
  granted: boolean;
  generation: Buffer;
  entry: Buffer | null;
}

/**
 * Writes entries, changes their TTLs, and grants leases.
 *
 * Late writes are rejected. Each set, touch and lease carries a deadline, which the script checks against the server's clock. A set that
 * timed out or was retried therefore cannot apply after a later invalidation, nor a touch after a later set.
 *
 * Sets with a lease need no deadline: every operation that they must not undo ends the lease.
 */
export class Writer {
  readonly #settings: StoreSettings;
  readonly #connection: Connection;
  readonly #clock: ServerClock;
  readonly #observer: StoreObserver;
  readonly #evictionProbe = new EvictionProbe();
  /** The generation keys of the shards from which this process is evicting entries to hold a limit. */
  readonly #evicting = new Set<string>();

  constructor(settings: StoreSettings, connection: Connection, clock: ServerClock, observer: StoreObserver) {
    this.#settings = settings;
    this.#connection = connection;
    this.#clock = clock;
    this.#observer = observer;
  }

  /** @returns for each item whether it was set: false if its lease has ended @throws BackendUnavailableError */
  async write(tenant: string, items: readonly Item[]): Promise<boolean[]> {
    const endMonotonicMs = performance.now() + this.#connection.profile.operationTimeoutMs;
    const { shards, compressMinBytes, limitsOf = noLimits } = this.#settings;
    const limits = shardLimits(limitsOf(tenant), shards);
    let writes = byShard(tenant, items, ({ key }) => key, shards).map((group) =>
      encodeWrite(group, compressMinBytes),
    );
    for (const { savedBytes } of writes) if (savedBytes > 0) this.#observer.compressed(savedBytes);
    const written: Written = { wasSet: items.map(() => true), excess: [] };
    if (items.every(({ lease }) => lease !== undefined)) {
      await this.#send(writes, undefined, limits, written);
    } else {
      await this.#beforeDeadline(async (deadline) => {
        const { rejected, serverEpochMs } = await this.#send(writes, deadline, limits, written);
        writes = rejected;
        return serverEpochMs;
      }, endMonotonicMs);
    }
    if (written.excess.length > 0) {
      // Most tenants never need it, and each kilobyte costs a cold start.
      const { evictExcess } = await import('./storage-limits.ts');
      // Concurrent sets get the same names from the script. So one set of this process evicts from a shard at a time, and a later one evicts
      // what the others have added.
      const toEvict = written.excess.filter(({ shard }) => !this.#evicting.has(shard.generation));
      const keys = new Set(items.map(({ key }) => key));
      const counts = await awaitAll(
        toEvict.map(({ shard, excess }) => {
          this.#evicting.add(shard.generation);
          return evictExcess(this.#connection, shard, limits, excess, keys, endMonotonicMs, (error) =>
            this.#observer.limitEvictionFailed(error),
          ).finally(() => this.#evicting.delete(shard.generation));
        }),
      );
      const evicted = counts.reduce((sum, count) => sum + count, 0);
      if (evicted > 0) this.#observer.limitEvicted(evicted);
    }
    return written.wasSet;
  }

  /**
   * Requests leases on keys that have no fresh value.
   *
   * @param tokens of the leases, by key. A retry must not find its own lease held by another token.
   * @param endMonotonicMs when the operation's time ends, by `performance.now()`
   * @returns the reply for each key, except for those of servers that refuse writes
   * @throws BackendUnavailableError
   */
  async lease(
    tenant: string,
    tokens: ReadonlyMap<string, string>,
    leaseSeconds: number,
    tags: readonly string[],
    endMonotonicMs: number,
  ): Promise<Map<string, GrantReply>> {
    const granted = new Map<string, GrantReply>();
    let groups = byShard(tenant, [...tokens], ([key]) => key, this.#settings.shards);
    await this.#beforeDeadline(async (deadline) => {
      const replies = await this.#connection.run(
        (client) => {
          const common = [this.#serverDeadline(deadline), newId(), leaseSeconds, tags.join(TAG_SEPARATOR)];
          return sendTogether(
            client,
            groups.map(({ shard, items }) => () => {
              const keys = [...shard.metaKeys, ...shard.entryKeys(items.map(([key]) => key))];
              const args = items.flatMap(([key, token]) => [token, key]);
              return evaluate(client, lease, keys, [...common, ...args]).catch((error: Error) => {
                if (!refusesWrites(error)) throw error;
                this.#observer.leaseRefused(error.message);
              });
            }),
          );
        },
        { deadlineMonotonicMs: deadline.monotonicMs },
      );
      let serverEpochMs: number | undefined;
      groups = groups.filter(({ items }, i) => {
        const reply = replies[i];
        if (reply === undefined) return false;
        if (!Array.isArray(reply)) {
          serverEpochMs = Math.max(serverEpochMs ?? 0, Number(reply));
          return true;
        }
        const [generation, ...grants] = reply as [Buffer, ...(number | Buffer | null)[]];
        for (const [j, [key]] of items.entries()) {
          const entry = grants[2 * j + 1] as Buffer | null;
          granted.set(key, { granted: grants[2 * j] === 1, generation, entry });
        }
        return false;
      });
      return serverEpochMs;
    }, endMonotonicMs);
    return granted;
  }

  /** @throws BackendUnavailableError */
  async release(tenant: string, key: string, token: string): Promise<void> {
    const shard = shardOf(tenant, key, this.#settings.shards);
    await this.#connection.run((client) =>
      evaluate(client, release, [...shard.metaKeys, shard.entryKey(key)], [token, key]),
    );
  }

  /** @returns false if there is no live entry @throws BackendUnavailableError */
  async touch(tenant: string, key: string, ttlSeconds: number): Promise<boolean> {
    const shard = shardOf(tenant, key, this.#settings.shards);
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
   * @param endMonotonicMs see `WriteDeadline`
   */
  async #beforeDeadline(
    send: (deadline: WriteDeadline) => Promise<number | undefined>,
    endMonotonicMs?: number,
  ): Promise<void> {
    const deadline = new WriteDeadline(this.#connection.profile, endMonotonicMs);
    await this.#clock.beAccurate(deadline.monotonicMs);
    let rejectedAtEpochMs = await send(deadline);
    if (rejectedAtEpochMs !== undefined && Date.now() < deadline.epochMs) {
      // Not late by our clock: the offset has changed.
      this.#clock.set(rejectedAtEpochMs);
      rejectedAtEpochMs = await send(deadline);
    }
    if (rejectedAtEpochMs !== undefined) {
      throw new BackendUnavailableError('the server received a write after its deadline');
    }
    await deadline.waitForAbandonedAttempts(this.#connection.lastLossMonotonicMs);
  }

  /** The deadline of an attempt that is sent now, in epoch milliseconds by the server's clock. */
  #serverDeadline(deadline: WriteDeadline): number {
    return this.#clock.earliestAt(deadline.startAttempt());
  }

  /**
   * @param deadline undefined if every item has a lease
   * @param written receives what the server replies
   * @returns the writes that the server rejected as late; if there are any, also its time in epoch milliseconds
   */
  async #send(
    writes: Write[],
    deadline: WriteDeadline | undefined,
    limits: ShardLimits,
    written: Written,
  ): Promise<{ rejected: Write[]; serverEpochMs: number | undefined }> {
    const generation = newId();
    const probes = writes.map(({ shard }) => this.#evictionProbe.next(shard.generation));
    const replies = await this.#connection.run(
      (client) => {
        const serverDeadline = deadline ? this.#serverDeadline(deadline) : '';
        return sendTogether(
          client,
          writes.map(({ shard, keys, args }, i) => () => {
            const { names, sampleCount } = probes[i] as Probe;
            return evaluate(
              client,
              set,
              [...shard.metaKeys, ...keys, ...names.map((name) => shard.entryKeyOf(name))],
              [
                serverDeadline,
                generation,
                keys.length,
                options(keys.length, sampleCount, limits),
                ...args,
                ...names,
              ],
            );
          }),
        );
      },
      { deadlineMonotonicMs: deadline?.monotonicMs },
    );
    const rejected: Write[] = [];
    let serverEpochMs: number | undefined;
    for (const [i, write] of writes.entries()) {
      const reply = replies[i];
      if (reply === 0 || Array.isArray(reply)) {
        const [evictedCount, lost, excess, ...sample] = reply === 0 ? NOTHING : (reply as SetReply);
        if (excess) written.excess.push({ shard: write.shard, excess });
        for (const number of lost) written.wasSet[write.indexes[number - 1] as number] = false;
        this.#evictionProbe.record(write.shard.generation, probes[i] as Probe, evictedCount, sample);
      } else {
        rejected.push(write);
        serverEpochMs = Math.max(serverEpochMs ?? 0, Number(reply));
      }
    }
    return { rejected, serverEpochMs };
  }
}

/** What a set does in addition to writing, as the script reads it. */
function options(entryCount: number, sampleCount: number, { maxEntries, maxBytes }: ShardLimits): string {
  let reapedPerName = REAPED_PER_NAME;
  // A batch can add nearly as many names as a script removes at most, so each one removes some.
  if (entryCount === 1) reapedPerName *= Math.random() < REAP_RATIO ? 1 / REAP_RATIO : 0;
  if (reapedPerName + sampleCount + maxEntries + maxBytes === 0) return '';
  return `${reapedPerName} ${sampleCount} ${Math.random()} ${maxEntries} ${maxBytes}`;
}

function encodeWrite({ shard, items, indexes }: ShardItems<Item>, compressMinBytes: number): Write {
  const write: Write = { shard, keys: [], args: [], indexes, savedBytes: 0 };
  for (const item of items) {
    const { head, fields, body, savedBytes } = encodeEntry(item, compressMinBytes);
    const { key, ttlSeconds, graceSeconds = 0 } = item;
    write.keys.push(shard.entryKey(key));
    write.args.push(ttlSeconds * 1000, (ttlSeconds + graceSeconds) * 1000, key, head, fields, body);
    write.savedBytes += savedBytes;
  }
  return write;
}
