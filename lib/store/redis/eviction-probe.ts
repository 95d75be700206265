/** What a set checks in addition to what it writes. */
export interface Probe {
  /** Names of entries that may have been evicted: the set checks whether the entries exist. */
  names: string[];
  /** How many names the server shall return for the next probe. */
  sampleCount: number;
}

/** The largest sample. */
const MAX_SAMPLE_COUNT = 16;

/** Names to probe per set = 25 × the recent eviction ratio. At 20 % evicted, each set probes five names and finds one on average. */
const PROBES_PER_RATIO = 25;

/** The share of sets that probe one name while nothing is evicted. */
const IDLE_RATIO = 1 / 8;

/** The number of probed names over which the eviction ratio is averaged. */
const AVERAGED_NAMES = 64;

/** Shards whose samples a process keeps: at most 16 MB, with the longest names. */
const MAX_SHARDS = 1024;

/**
 * Finds the indexed names of entries that were evicted, so that indexes do not fill up with them.
 *
 * Redis does not report evictions, and a script may access only the keys that it was called with. So a set returns a sample of the
 * shard's names, and the next set to that shard checks whether their entries exist. The sample grows with the eviction ratio of all
 * shards.
 */
export class EvictionProbe {
  readonly #samples = new Map<string, string[]>();
  /** Evicted names among those probed recently, from 0 to 1. */
  #evictedRatio = 0;

  /** The probe for a set to this shard. Each sampled name is probed once. */
  next(shard: string): Probe {
    const names = this.#samples.get(shard) ?? [];
    this.#samples.delete(shard);
    const sampleCount = Math.min(MAX_SAMPLE_COUNT, Math.round(PROBES_PER_RATIO * this.#evictedRatio));
    return { names, sampleCount: sampleCount || (Math.random() < IDLE_RATIO ? 1 : 0) };
  }

  /** Records the reply to a probe: how many of its names were evicted, and the sample for the next one. */
  record(shard: string, { names: { length } }: Probe, evictedCount: number, sample: Buffer[]): void {
    if (length > 0) {
      this.#evictedRatio += (evictedCount / length - this.#evictedRatio) * (length / AVERAGED_NAMES);
    }
    if (sample.length === 0) return;
    if (this.#samples.size >= MAX_SHARDS) {
      const [oldest] = this.#samples.keys();
      this.#samples.delete(oldest as string);
    }
    // As strings: ioredis takes twice as long for a command that contains a Buffer.
    this.#samples.set(shard, sample.map(String));
  }
}
