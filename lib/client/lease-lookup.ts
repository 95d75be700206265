import { batchesOf, fittingOf, sendBatches } from './batches.ts';
import { CacheError, DeadlineError } from './errors.ts';
import { isUnavailable, type Outage } from './outage.ts';
import * as requests from './requests.ts';
import type { Signal } from './runtime.ts';
import type { Sender } from './sender.ts';
import type { CallOptions, LeaseLookup } from './types.ts';

/** For how long a service without leases is not asked for them again, so that an upgrade is noticed. */
const MISSING_MS = 5 * 60_000;

/** Remembers that the service is older than leases. */
export class LeaseSupport {
  #missingEndMonotonicMs = Number.NEGATIVE_INFINITY;

  isMissing(): boolean {
    return performance.now() < this.#missingEndMonotonicMs;
  }

  recordMissing(): void {
    this.#missingEndMonotonicMs = performance.now() + MISSING_MS;
  }
}

/**
 * The lookup of a `getOrSet`. A key without a fresh value has one of:
 *
 * - `lease`: this caller produces the value, and sets it with the lease;
 * - a stale value and no lease: another caller produces the next value;
 * - `retryAfterMs`: another caller produces the value;
 * - `isPlain`: the service is older than leases: this caller produces the value, and sets it without one;
 * - none of them: the lookup failed, or the service cannot store leases. This caller produces the value and does not set it, because
 *   without a lease it could be set after an invalidation.
 */
export type FillLookup = LeaseLookup<unknown> & { isPlain?: true };

export interface LeaseLookupOptions {
  /** Of each request. */
  call: CallOptions & { timeoutMs: number };
  /** Seconds. */
  lease: number;
  tags: readonly string[] | undefined;
  /**
   * Releases leases that a response granted after its request had timed out. Without it, they would keep all other callers waiting until
   * they end.
   */
  release: (lookups: LeaseLookup<unknown>[]) => void;
}

/** Requests leases. A failure counts as a miss. */
export class LeaseLookups {
  readonly #sender: Sender;
  readonly #outage: Outage;
  readonly #support: LeaseSupport;
  readonly #usualTimeoutMs: number;
  readonly #report: (error: unknown, keys: readonly string[]) => void;

  /**
   * @param usualTimeoutMs below this time, a timeout does not show that the cache is unavailable
   * @param report receives failures
   */
  constructor(
    sender: Sender,
    { outage, leaseSupport }: { outage: Outage; leaseSupport: LeaseSupport },
    usualTimeoutMs: number,
    report: (error: unknown, keys: readonly string[]) => void,
  ) {
    this.#sender = sender;
    this.#outage = outage;
    this.#support = leaseSupport;
    this.#usualTimeoutMs = usualTimeoutMs;
    this.#report = report;
  }

  /**
   * Looks up any number of keys. If the call ends meanwhile, the lookup continues, because its response may contain leases to release, and
   * its failure is not reported.
   *
   * @returns the result for each key, in order
   */
  async lookUp(keys: readonly string[], options: LeaseLookupOptions, ended: Signal): Promise<FillLookup[]> {
    const lookUpBatch = async (batch: string[]): Promise<FillLookup[]> => {
      if (!this.#outage.mayTry()) return batch.map(missOf);
      const startedMonotonicMs = performance.now();
      try {
        const [first = '', ...others] = batch;
        const lookups = others.length
          ? await this.#requestBatch(batch, options)
          : [await this.#requestOne(first, options)];
        this.#outage.recordResponse();
        return lookups;
      } catch (error) {
        if (!isUnavailable(error)) this.#outage.recordResponse();
        if (fittingOf(error, batch.length) > 0) throw error;
        if (!ended.aborted) this.#report(error, batch);
        const isShort = options.call.timeoutMs < this.#usualTimeoutMs;
        if (isUnavailable(error) && !(isShort && error instanceof DeadlineError))
          this.#outage.recordFailure(startedMonotonicMs);
        return batch.map(missOf);
      }
    };
    return (await sendBatches(batchesOf(keys), lookUpBatch)).flat();
  }

  async #requestOne(key: string, options: LeaseLookupOptions): Promise<FillLookup> {
    const isMissing = this.#support.isMissing();
    const lookup = isMissing ? undefined : await this.#requestLease(key, options);
    if (lookup) return lookup;
    const plainLookup = plain(await this.#sender.send(requests.getOne(key), options.call));
    // With a wrong URL, the get has failed as well.
    if (!isMissing) this.#support.recordMissing();
    return plainLookup;
  }

  /** @returns undefined if the service has no such route */
  async #requestLease(
    key: string,
    { call, lease, tags, release }: LeaseLookupOptions,
  ): Promise<FillLookup | undefined> {
    try {
      const request = requests.leaseOne(key, { lease, tags });
      return await this.#sender.send({ ...request, onLate: (lookup) => release([lookup]) }, call);
    } catch (error) {
      if (error instanceof CacheError && (error.status === 404 || error.status === 405)) return undefined;
      throw error;
    }
  }

  async #requestBatch(keys: string[], options: LeaseLookupOptions): Promise<FillLookup[]> {
    const { call, lease, tags, release } = options;
    if (this.#support.isMissing()) return (await this.#sender.send(requests.getBatch(keys), call)).map(plain);
    const request = { ...requests.leaseBatch(keys, { lease, tags }), onLate: release };
    const lookups: FillLookup[] = await this.#sender.send(request, call);
    // A service without leases ignores `lease`. One that cannot store leases sends the same response.
    const unclear = lookups.findIndex((lookup) => !lookup.found && !knowsLeases(lookup));
    const missing = lookups[unclear];
    if (!missing || lookups.some(knowsLeases)) return lookups;
    const probe = await this.#requestLease(missing.key, options);
    if (!probe) {
      this.#support.recordMissing();
      return lookups.map(plain);
    }
    if (probe.found || probe.lease) lookups[unclear] = probe;
    return lookups;
  }
}

function missOf(key: string): FillLookup {
  return { found: false, key };
}

function plain(lookup: object): FillLookup {
  return { ...(lookup as FillLookup), isPlain: true };
}

/** Whether only a service with leases returns this. */
function knowsLeases(lookup: FillLookup): boolean {
  if (lookup.lease) return true;
  return lookup.found ? typeof lookup.stale === 'boolean' : lookup.retryAfterMs !== undefined;
}
