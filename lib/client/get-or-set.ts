import { onAbort } from './abort.ts';
import { batchesOf, fittingOf, sendBatches } from './batches.ts';
import { check, checkTags } from './checks.ts';
import { Deadline } from './deadline.ts';
import { LeaseLostError } from './errors.ts';
import { parsedValue, valueText } from './json.ts';
import { type FillLookup, type LeaseLookupOptions, LeaseLookups, LeaseSupport } from './lease-lookup.ts';
import { isUnavailable, Outage } from './outage.ts';
import * as requests from './requests.ts';
import { isControlFlow, type Signal } from './runtime.ts';
import type { Sender } from './sender.ts';
import type { Settings } from './settings.ts';
import { SharedCall, SingleFlight } from './single-flight.ts';
import { send } from './transport.ts';
import type { ClientOptions, ErrorContext, GetOrSetOptions } from './types.ts';

/** Returns the values of the keys, in order. */
export type ProduceMany = (
  keys: string[],
  signal: Signal,
) => readonly unknown[] | Promise<readonly unknown[]>;

/** What the clients that `forTenant` creates have in common. */
export class SharedState {
  readonly flights = new SingleFlight();
  readonly outage = new Outage();
  readonly leaseSupport = new LeaseSupport();
}

/** The arguments of a call, completed with defaults. */
interface Job {
  ttl: number;
  grace: number | undefined;
  tagsOf: (value: unknown, key: string) => readonly string[] | undefined;
  waitUntil: GetOrSetOptions['waitUntil'];
  produceTimeoutMs: number;
  produce: ProduceMany;
  lookup: LeaseLookupOptions;
}

/** The result of a flight: a value, and for a stale one perhaps the right to produce the next. */
interface Outcome {
  value: unknown;
  /** For the first caller that takes it. The others return the stale value. */
  refresh?: ((signal: Signal | undefined) => Promise<unknown>) | undefined;
}

/**
 * `getOrSet` and `getOrSetMany`. The lookup is a lease request: of all callers in all processes that miss a key, one gets the lease, produces
 * the value and sets it with the lease. The others wait for the value, or return a stale one.
 *
 * Invariant: a value is set only with a lease, which every invalidation ends. The exception is a service without leases.
 */
export class GetOrSet {
  readonly shared: SharedState;
  readonly #tenant: string;
  readonly #settings: Settings;
  readonly #sender: Sender;
  readonly #lookups: LeaseLookups;
  readonly #onError: ClientOptions['onError'];

  constructor(
    { tenant, onError }: Pick<ClientOptions, 'tenant' | 'onError'>,
    settings: Settings,
    sender: Sender,
    shared = new SharedState(),
  ) {
    this.shared = shared;
    this.#tenant = tenant;
    this.#settings = settings;
    this.#sender = sender;
    this.#onError = onError;
    this.#lookups = new LeaseLookups(sender, shared, settings.fillTimeoutMs, (error, keys) =>
      this.#report(error, 'get', keys),
    );
  }

  async one(
    key: string,
    ttl: number,
    produce: ProduceMany,
    options: GetOrSetOptions<never>,
  ): Promise<unknown> {
    const { flights } = this.shared;
    const { signal } = options;
    const job = this.#jobOf(ttl, produce, options);
    const outcome = await flights.do(this.#tenant, key, signal, (abandoned) =>
      this.#find(key, job, abandoned),
    );
    const { value, refresh } = outcome;
    if (!refresh) return value;
    outcome.refresh = undefined;
    return refresh(signal);
  }

  /** @returns the values of the keys */
  async many(
    keys: readonly string[],
    ttl: number,
    produce: ProduceMany,
    options: GetOrSetOptions<never>,
  ): Promise<Map<string, unknown>> {
    const { signal } = options;
    if (signal?.aborted) throw signal.reason;
    const job = this.#jobOf(ttl, produce, options);
    return new SharedCall((abandoned) => this.#findMany([...new Set(keys)], job, abandoned)).join(signal);
  }

  /** Calls that start from now on do not join running ones. @param keys default: all of the tenant */
  forget(keys?: readonly string[]): void {
    this.shared.flights.forget(this.#tenant, keys);
  }

  #jobOf(ttl: number, produce: ProduceMany, options: GetOrSetOptions<never>): Job {
    const settings = this.#settings;
    const { signal: _, grace, tags, tagsOf, waitUntil, lease, ...rest } = options;
    const {
      produceTimeoutMs = settings.produceTimeoutMs,
      timeoutMs = settings.fillTimeoutMs,
      ...call
    } = rest;
    return {
      ...{ ttl, grace, waitUntil, produce, produceTimeoutMs },
      // Receives what `produce` returns: the client's methods have both with the same type.
      tagsOf: (tagsOf as Job['tagsOf'] | undefined) ?? (() => tags),
      lookup: {
        ...{ lease: lease ?? leaseSecondsFor(produceTimeoutMs), tags, call: { ...call, timeoutMs } },
        release: (lookups) => this.#release(lookups, { ...call, timeoutMs }),
      },
    };
  }

  async #find(key: string, job: Job, abandoned: Signal): Promise<Outcome> {
    const lookup = await this.#lookUpOrWait(key, job, abandoned);
    if (lookup.found && !lookup.lease) return { value: lookup.value };
    if (!lookup.found || abandoned.aborted) {
      const [value] = await this.#produce([lookup], job, abandoned);
      return { value };
    }
    const { value } = lookup;
    if (job.waitUntil) {
      this.#produceInBackground([lookup], job, job.waitUntil);
      return { value };
    }
    const refresh: Outcome['refresh'] = async (signal) => {
      const [next] = await new SharedCall((left) => this.#produce([lookup], job, left)).join(signal);
      return next;
    };
    return { value, refresh };
  }

  /**
   * Repeats the lookup while another caller has the lease on a key without a value. A caller waits as long as its own producer may take, and
   * then produces the value itself, without setting it: the cache must not make the call fail.
   */
  async #lookUpOrWait(key: string, job: Job, abandoned: Signal): Promise<FillLookup> {
    let wait: Deadline | undefined;
    try {
      for (;;) {
        const [lookup = { found: false, key }] = await this.#lookups.lookUp([key], job.lookup, abandoned);
        if (!isHeld(lookup)) return lookup;
        wait ??= new Deadline(job.produceTimeoutMs, abandoned);
        const isOver = await sleepWithin(wait, pollDelayMs(lookup.retryAfterMs), abandoned);
        if (isOver) return { found: false, key };
      }
    } finally {
      wait?.release();
    }
  }

  /** Produces the values that no other caller produces, and waits for the others meanwhile. */
  async #findMany(keys: string[], job: Job, abandoned: Signal): Promise<Map<string, unknown>> {
    const values = new Map<string, unknown>();
    const productions: Promise<void>[] = [];
    // Fires when the call is abandoned or fails.
    const end = new AbortController();
    const removeListener = onAbort(abandoned, () => end.abort(abandoned.reason));
    let wait: Deadline | undefined;
    try {
      for (let missing = keys; missing.length > 0; ) {
        const lookups = await this.#lookups.lookUp(missing, job.lookup, end.signal);
        for (const lookup of lookups) if (lookup.found) values.set(lookup.key, lookup.value);
        const isWaitOver = wait !== undefined && wait.remainingMs() <= 0;
        const held = isWaitOver ? [] : lookups.filter(isHeld);
        const own = lookups.filter(
          (lookup) => lookup.lease || !(lookup.found || held.includes(lookup as Held)),
        );
        const [stale, foreground] =
          job.waitUntil && !end.signal.aborted ? partition(own, isFound) : [[], own];
        if (job.waitUntil && stale.length > 0) this.#produceInBackground(stale, job, job.waitUntil);
        if (foreground.length > 0) {
          const production = this.#produce(foreground, job, end.signal).then((produced) => {
            for (const [index, { key }] of foreground.entries()) values.set(key, produced[index]);
          });
          production.catch((error: unknown) => end.abort(error));
          productions.push(production);
        }
        missing = held.map(({ key }) => key);
        if (held.length > 0) {
          wait ??= new Deadline(job.produceTimeoutMs, end.signal);
          const delayMs = pollDelayMs(Math.min(...held.map(({ retryAfterMs }) => retryAfterMs)));
          await sleepWithin(wait, delayMs, end.signal);
        }
      }
      await Promise.all(productions);
      return values;
    } catch (error) {
      end.abort(error);
      throw error;
    } finally {
      removeListener();
      wait?.release();
    }
  }

  /** Produces the next values for stale ones, for nobody who waits. Failures are reported. */
  #produceInBackground(stale: FillLookup[], job: Job, waitUntil: (promise: Promise<unknown>) => void): void {
    const neverAborted = new AbortController().signal;
    const production = this.#produce(stale, job, neverAborted).catch(() => {});
    try {
      waitUntil(production);
    } catch (error) {
      // Such as a call after the response was sent. The stale value is returned nevertheless.
      this.#report(error, 'produce', keysOf(stale));
    }
  }

  /**
   * Calls the producer and sets the values. If it fails, releases the leases.
   *
   * @returns the values as JSON represents them; the stale ones if the producer fails and there is one for each key
   * @throws what the producer throws, DeadlineError after `produceTimeoutMs`
   */
  async #produce(lookups: FillLookup[], job: Job, abandoned: Signal): Promise<unknown[]> {
    const { stringify, transport } = this.#settings;
    const keys = keysOf(lookups);
    const startedMonotonicMs = performance.now();
    let produced: readonly unknown[];
    try {
      produced = await produceWithin(job, keys, abandoned);
    } catch (error) {
      await this.#release(lookups, job.lookup.call);
      const stale = lookups.filter(isFound);
      if (abandoned.aborted || stale.length < lookups.length) throw error;
      this.#report(error, 'produce', keys);
      return stale.map(({ value }) => value);
    }
    const entries: requests.EntryText[] = [];
    const notCacheable: string[] = [];
    const values = lookups.map(({ key, lease, isPlain }, index) => {
      const original = produced[index];
      let value = original;
      try {
        const text = valueText(original, stringify);
        value = parsedValue(text, transport.parse);
        const tags = job.tagsOf(original, key);
        if (tags !== undefined) checkTags('tags', tags);
        const { ttl, grace } = job;
        const entry = requests.entryOf(key, text, { ttl, grace, lease: lease?.token, tags });
        if (lease || isPlain) entries.push(entry);
      } catch (error) {
        this.#report(error, 'set', [key]);
        notCacheable.push(key);
      }
      return value;
    });
    const { failed: notSet, lost } = await this.#set(entries, job);
    this.#reportLate(lookups, lost, performance.now() - startedMonotonicMs);
    const unset = new Set([...notCacheable, ...notSet]);
    await this.#release(
      lookups.filter(({ key }) => unset.has(key)),
      job.lookup.call,
    );
    return values;
  }

  /** @returns the keys that were not set: because the set failed, or because their leases were lost */
  async #set(entries: requests.EntryText[], job: Job): Promise<{ failed: string[]; lost: string[] }> {
    const failed: string[] = [];
    const lost: string[] = [];
    const setBatch = async (batch: requests.EntryText[]): Promise<void> => {
      const [first, second] = batch;
      try {
        if (first && !second) {
          await this.#sender.send(requests.setOne(first.text, first.lease), job.lookup.call);
        } else {
          const results = await this.#sender.send(requests.setBatch(batch), job.lookup.call);
          lost.push(...keysOf(results.filter(({ leaseLost }) => leaseLost)));
        }
      } catch (error) {
        if (fittingOf(error, batch.length) > 0) throw error;
        if (error instanceof LeaseLostError) {
          lost.push(...keysOf(batch));
          return;
        }
        this.#report(error, 'set', keysOf(batch));
        // If the cache is unavailable, releasing the leases would fail as well. They end by themselves.
        if (!isUnavailable(error)) failed.push(...keysOf(batch));
      }
    };
    await sendBatches(
      batchesOf(entries, ({ size }) => size),
      setBatch,
    );
    return { failed, lost };
  }

  /** Releases leases, so that other callers need not wait until they end. Failures are ignored: they end by themselves. */
  async #release(lookups: readonly FillLookup[], call: Job['lookup']['call']): Promise<void> {
    const leases = lookups.flatMap(({ key, lease }) => (lease ? [requests.release(key, lease.token)] : []));
    if (leases.length === 0) return;
    const { transport } = this.#settings;
    const released = this.#sender.run(call, call.timeoutMs, (within) =>
      sendBatches(
        leases.map((lease) => [lease]),
        ([lease]) => (lease ? send(transport, within, lease).catch(() => {}) : Promise.resolve()),
      ),
    );
    await released.catch(() => {});
  }

  /**
   * Reports values that were not cached because they took longer than their leases. A lease that was lost for another reason is not reported:
   * the value was invalidated or replaced.
   */
  #reportLate(lookups: readonly FillLookup[], lost: readonly string[], tookMs: number): void {
    const late = lookups.filter(
      ({ key, lease }) => lease && tookMs >= lease.ttl * 1000 && lost.includes(key),
    );
    if (late.length === 0) return;
    const message = `The value was not cached, because its lease of ${late[0]?.lease?.ttl} s ended while it was produced`;
    this.#report(new LeaseLostError({ message }), 'set', keysOf(late));
  }

  /** Passes a failure to `onError`. @throws the error if a framework threw it */
  #report(error: unknown, operation: ErrorContext['operation'], keys: readonly string[]): void {
    if (isControlFlow(error)) throw error;
    const about = { operation, key: keys[0] ?? '', ...(keys.length > 1 && { keys }) };
    // An error in `onError` does not fail the call.
    const report = async (): Promise<void> => this.#onError?.(error, about);
    report().catch(() => {});
  }
}

/** Calls the producer. @throws DeadlineError after `produceTimeoutMs` */
async function produceWithin(
  { produce, produceTimeoutMs }: Job,
  keys: string[],
  abandoned: Signal,
): Promise<readonly unknown[]> {
  if (abandoned.aborted) throw abandoned.reason;
  const deadline = new Deadline(produceTimeoutMs, abandoned, undefined, 'produce');
  try {
    const produced = await deadline.within(produce([...keys], deadline.signal));
    check(
      Array.isArray(produced) && produced.length === keys.length,
      `produceMissing must return an array with a value for each of its ${keys.length} keys`,
    );
    return produced;
  } finally {
    deadline.release();
  }
}

/** Sleeps, but not beyond the deadline. @returns true if it has passed @throws the reason of `signal`, if it fires */
async function sleepWithin(deadline: Deadline, ms: number, signal: Signal): Promise<boolean> {
  try {
    await deadline.sleep(ms);
    return false;
  } catch (error) {
    if (signal.aborted) throw error;
    return true;
  }
}

/** The service's limit of the time of a lease, in seconds. */
const MAX_LEASE_SECONDS = 300;

/** A lease that lasts as long as the producer may take. */
function leaseSecondsFor(produceTimeoutMs: number): number {
  return Math.min(MAX_LEASE_SECONDS, Math.max(1, Math.ceil(produceTimeoutMs / 1000)));
}

/** Pauses below this cost more requests than they save time. */
const MIN_POLL_MS = 50;

/** Delay before the next lookup: a quarter more or less than the service says, so that those who wait for a value do not all ask at once. */
export function pollDelayMs(retryAfterMs: number): number {
  return Math.max(MIN_POLL_MS, retryAfterMs * (0.75 + Math.random() / 2));
}

/** A key without a value on which another caller has the lease. */
type Held = FillLookup & { retryAfterMs: number };

function isHeld(lookup: FillLookup): lookup is Held {
  return !lookup.found && !lookup.lease && lookup.retryAfterMs !== undefined;
}

function isFound(lookup: FillLookup): lookup is FillLookup & { found: true } {
  return lookup.found;
}

function keysOf(items: readonly { key: string }[]): string[] {
  return items.map(({ key }) => key);
}

function partition<T>(items: readonly T[], matches: (item: T) => boolean): [T[], T[]] {
  return [items.filter(matches), items.filter((item) => !matches(item))];
}
