import type { Config } from '../../config/config.ts';
import { BackendUnavailableError } from '../../errors.ts';
import { type Item, noObserver, type StoreObserver } from '../store.ts';
import type { Connection } from './connection/connection.ts';
import { evaluate } from './connection/evaluate.ts';
import { sideBySide } from './connection/send-together.ts';
import { type Question, Suspects } from './eviction-probe.ts';
import { newGeneration } from './generation.ts';
import { byShard } from './keyspace.ts';
import { set } from './scripts.ts';
import { encodeWrite, type Write } from './write.ts';
import { WriteDeadline } from './write-deadline.ts';

/** After which a connection may well have been ended as idle by the server or by what lies between, in milliseconds. */
const PAUSE_MS = 30_000;

/** Writes entries, and sees to it that none takes effect after its caller was told of a failure. */
export class Writer {
  readonly #settings: Pick<Config, 'shards' | 'compressMinBytes'>;
  readonly #connection: Connection;
  readonly #observer: StoreObserver;
  readonly #suspects = new Suspects();
  /** How far the server's clock is ahead of ours, in milliseconds; undefined until it has told its time. */
  #clockOffset: number | undefined;

  constructor(
    settings: Pick<Config, 'shards' | 'compressMinBytes'>,
    connection: Connection,
    observer = noObserver,
  ) {
    this.#observer = observer;
    this.#settings = settings;
    this.#connection = connection;
  }

  /** @throws BackendUnavailableError */
  async write(tenant: string, items: readonly Item[]): Promise<void> {
    const { shards, compressMinBytes } = this.#settings;
    const writes = byShard(tenant, items, ({ key }) => key, shards).map((group) =>
      encodeWrite(group, compressMinBytes),
    );
    for (const { savedBytes } of writes) if (savedBytes > 0) this.#observer.compressed(savedBytes);
    const deadline = new WriteDeadline(this.#connection.profile);
    // If the server's clock is behind and the offset is unknown, the server would accept late sets. After a pause, asking for the time
    // also checks the connection. To find out by the set itself that it was lost takes longer: its abandoned attempt must be waited for.
    const silentMs = Date.now() - this.#connection.lastReplyEpochMs;
    if (this.#clockOffset === undefined || silentMs > PAUSE_MS) await this.learnClock(deadline.monotonicMs);
    let refused = await this.#send(writes, deadline);
    if (refused && Date.now() < deadline.epochMs) {
      // Not late by our clock: the clocks disagree by more than was known.
      this.#clockOffset = refused.at - Date.now();
      refused = await this.#send(refused.writes, deadline);
    }
    if (refused) throw new BackendUnavailableError('a set came to the server past its deadline');
    await deadline.waitForAbandonedAttempts(this.#connection.lastLossMonotonicMs);
  }

  /**
   * Asks the server for its time, by which sets are refused that come too late.
   *
   * @param deadlineMonotonicMs when to give up, by `performance.now()`. Default: after an operation's timeout.
   */
  async learnClock(deadlineMonotonicMs?: number): Promise<void> {
    const [seconds, microseconds] = await this.#connection.run((client) => client.time(), {
      deadlineMonotonicMs,
      command: 'TIME',
    });
    this.#clockOffset = Number(seconds) * 1000 + Math.floor(Number(microseconds) / 1000) - Date.now();
  }

  /** @returns the writes that the server refused as too late, if any, and the time `at` which it did */
  async #send(
    writes: Write[],
    deadline: WriteDeadline,
  ): Promise<{ writes: Write[]; at: number } | undefined> {
    const generation = newGeneration();
    const questions = writes.map(({ shard }) => this.#suspects.take(shard.generation));
    const answers = await this.#connection.run(
      (client) => {
        const serverDeadline = deadline.startAttempt() + (this.#clockOffset ?? 0);
        return sideBySide(
          client,
          writes.map(({ shard, entries, args }, i) => () => {
            const { names, further } = questions[i] as Question;
            const keys = [...shard.helpers, ...entries, ...shard.entries(names)];
            const head = [serverDeadline, generation, entries.length, further, Math.random()];
            return evaluate(client, set, keys, [...head, ...args, ...names]);
          }),
        );
      },
      { deadlineMonotonicMs: deadline.monotonicMs },
    );
    const refused: Write[] = [];
    let at = 0;
    for (const [i, write] of writes.entries()) {
      const answer = answers[i];
      if (Array.isArray(answer)) {
        const [gone, ...names] = answer as [number, ...Buffer[]];
        this.#suspects.tell(write.shard.generation, questions[i] as Question, gone, names);
      } else {
        refused.push(write);
        at = Math.max(at, Number(answer));
      }
    }
    return refused.length > 0 ? { writes: refused, at } : undefined;
  }
}
