/** What a set is to have looked at beside what it writes. */
export interface Question {
  /** Names of entries that may be gone. */
  names: string[];
  /** For how many further names it asks. */
  further: number;
}

/** Names that a set asks for at most. */
const MOST = 16;

/** With so many names for each part of the last ones that was gone, every set finds one when a fifth of all names are. */
const FURTHER = 25;

/** The part of sets that ask for a name while none is gone: where nothing is evicted, looking is work for nothing. */
const IDLE = 1 / 8;

/** Over how many names the part that is gone is averaged. */
const WINDOW = 64;

/** Shards that a process remembers names for: with the longest names, of all that it may ask for, 16 MB. */
const SHARDS = 1024;

/**
 * Keeps indexes from filling up with names of entries that were evicted.
 *
 * No server tells of an eviction, and a script may touch only keys that it was called with. So sets are told some names by the
 * server, and the next one to the same shard has it look whether their entries are still there. The more of all names are gone,
 * whosesoever, the more the next ones ask for.
 */
export class Suspects {
  readonly #names = new Map<string, string[]>();
  /** The part of names, of those looked at last, whose entries were gone. */
  #gone = 0;

  /** What a set to the shard is to ask. Each name is asked about once. */
  take(shard: string): Question {
    const names = this.#names.get(shard) ?? [];
    this.#names.delete(shard);
    const further = Math.min(MOST, Math.round(FURTHER * this.#gone));
    return { names, further: further || (Math.random() < IDLE ? 1 : 0) };
  }

  /** What the server answered: how many names of the question were those of nothing, and further names. */
  tell(shard: string, { names: { length } }: Question, gone: number, names: Buffer[]): void {
    if (length > 0) this.#gone += (gone / length - this.#gone) * (length / WINDOW);
    if (names.length === 0) return;
    if (this.#names.size >= SHARDS) {
      const [oldest] = this.#names.keys();
      this.#names.delete(oldest as string);
    }
    // As strings: a command that holds a Buffer takes the client twice as long.
    this.#names.set(shard, names.map(String));
  }
}
