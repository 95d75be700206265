/**
 * A simple model of a cache: a map for each tenant, with the span in which each entry was written. The caller performs an
 * operation on a real store or service, records it here, and checks whether the result is allowed. An entry that expires at about
 * the time of a check may be present or not; for every other entry only one result is correct.
 */
import assert from 'node:assert/strict';
import { globMatches } from './glob.ts';

/** Start and end of an operation, in epoch milliseconds of the clock that decides about expiry. */
export interface Span {
  from: number;
  until: number;
}

export interface Write {
  key: string;
  /** JSON text. */
  value: string;
  ttl: number;
  /** Seconds after the TTL in which the value is stale. */
  grace?: number;
  /** The token of the lease that allows the write. */
  lease?: string | undefined;
  tags?: readonly string[] | undefined;
}

/** An entry and the span of its write, or a placeholder: an entry without a value whose TTL and grace are 0. */
type Entry = Omit<Write, 'value' | 'lease'> & {
  value: string | undefined;
  grace: number;
  /** The token of the last lease, also if the write with it has ended it. */
  token?: string | undefined;
  /** The time and duration in seconds of the current lease. Undefined if it has been ended. */
  lease?: (Span & { ttl: number }) | undefined;
} & Span;

/** The result of a lease request. */
export interface LeaseReply {
  hit?: { value: string; ttl: number } | undefined;
  lease?: { token: string; ttlSeconds: number } | undefined;
  retryAfterMs?: number | undefined;
}

/**
 * Maximum difference of the clocks, in milliseconds. Clocks have millisecond resolution, and a server reads its clock once per
 * turn of its event loop, during which a busy machine may pause it.
 */
const SLACK_MS = 250;

export class StoreModel {
  readonly #slackMs: number;
  /** Every key that has been used, with its entry if that may still exist. */
  readonly #tenants = new Map<string, Map<string, Entry | undefined>>();

  /** @param slackMs maximum difference between the clocks of the store and of the caller */
  constructor(slackMs = SLACK_MS) {
    this.#slackMs = slackMs;
  }

  /** Returns the tenants of all operations so far. */
  tenants(): string[] {
    return [...this.#tenants.keys()];
  }

  /** Returns every key of a tenant that has been used, present or not. */
  keys(tenant: string): string[] {
    return [...this.#of(tenant).keys()];
  }

  /** Returns the tenant's keys that a pattern matches. */
  matching(tenant: string, pattern: string): string[] {
    return this.keys(tenant).filter((key) => globMatches(pattern, key));
  }

  /** Returns the tenant's keys with at least one of the tags. */
  tagged(tenant: string, tags: readonly string[]): string[] {
    return [...this.#of(tenant).values()].flatMap((entry) =>
      entry?.tags?.some((tag) => tags.includes(tag)) ? [entry.key] : [],
    );
  }

  write(tenant: string, writes: readonly Write[], { from, until }: Span): void {
    for (const { key, value, ttl, grace = 0, lease, tags } of writes) {
      this.#of(tenant).set(key, { key, value, ttl, grace, tags, token: lease, from, until });
    }
  }

  /** Checks whether a write with a lease may be accepted or rejected in this span. If it was accepted, records it. */
  fill(tenant: string, write: Write & { lease: string }, accepted: boolean, span: Span): void {
    const entry = this.#of(tenant).get(write.key);
    const isOwn = entry?.token === write.lease;
    const wasApplied = isOwn && !entry.lease;
    const lease = isOwn ? entry.lease : undefined;
    const name = JSON.stringify(write.key);
    if (accepted) {
      assert.ok(
        this.#mayLast(lease, span) || (wasApplied && this.#mayExist(entry, span)),
        `${name} must not be filled`,
      );
      if (!wasApplied) this.write(tenant, [write], span);
    } else {
      assert.ok(!this.#mustLast(lease, span), `the lease on ${name} must not have ended`);
      assert.ok(
        !(wasApplied && this.#mustExist(entry, span)),
        `the repeated fill of ${name} must be accepted`,
      );
      if (lease) this.#endLease(tenant, entry as Entry);
    }
  }

  /** Checks the reply to a lease request, and records the lease if it was granted. */
  lease(
    tenant: string,
    key: string,
    { hit, lease, retryAfterMs }: LeaseReply,
    span: Span,
    tags: readonly string[] = [],
  ): void {
    const name = JSON.stringify(key);
    if (hit && hit.ttl > 0) {
      assert.equal(hit.value, this.checkHit(tenant, key, hit.ttl, span));
      assert.equal(lease, undefined);
      return;
    }
    const entry = this.#of(tenant).get(key);
    assert.ok(!this.#mustLive(entry, span), `${name} must be fresh`);
    if (hit) {
      assert.ok(entry?.value !== undefined && this.#mayExist(entry, span), `${name} must not be stale`);
      assert.equal(hit.value, entry.value);
    } else {
      // In the last second of its grace period, a value is replaced by a placeholder.
      assert.ok(
        !this.#mustExist(entry, { ...span, until: span.until + 1000 }),
        `${name} must not be missing`,
      );
    }
    if (!lease) {
      assert.ok(this.#mayLast(entry?.lease, span), `the lease on ${name} must be free`);
      assert.equal(retryAfterMs === undefined, hit !== undefined);
      return;
    }
    assert.ok(!this.#mustLast(entry?.lease, span), `${name} must be leased`);
    const granted = { token: lease.token, lease: { ...span, ttl: lease.ttlSeconds } };
    const base = hit && entry ? entry : { key, value: undefined, ttl: 0, grace: 0, tags: [], ...span };
    this.#of(tenant).set(key, { ...base, ...granted, tags: [...(base.tags ?? []), ...tags] });
  }

  release(tenant: string, key: string, token: string): void {
    const entry = this.#of(tenant).get(key);
    if (entry?.lease && entry.token === token) this.#endLease(tenant, entry);
  }

  #endLease(tenant: string, entry: Entry): void {
    const left = entry.value === undefined ? undefined : { ...entry, token: undefined, lease: undefined };
    this.#of(tenant).set(entry.key, left);
  }

  /** Checks that a key may be present in this span, and sets its TTL, in seconds. */
  touch(tenant: string, key: string, ttl: number, { from, until }: Span): void {
    const entry = this.#of(tenant).get(key);
    assert.ok(
      entry && this.#mayLive(entry, { from, until }),
      `${JSON.stringify(key)} must not be found by a touch`,
    );
    this.#of(tenant).set(key, { ...entry, ttl, from, until });
  }

  remove(tenant: string, keys: Iterable<string>): void {
    for (const key of keys) this.#of(tenant).set(key, undefined);
  }

  /** Checks that a key may have no fresh value in this span, and records that it has none until it is written again. */
  checkMiss(tenant: string, key: string, span: Span): void {
    const entry = this.#of(tenant).get(key);
    assert.ok(!this.#mustLive(entry, span), `${JSON.stringify(key)} must not be missing`);
    if (!entry || entry.value === undefined) return;
    if (entry.grace === 0) this.remove(tenant, [key]);
    // The TTL has passed. The end of the grace period does not change.
    else if (this.#mayLive(entry, span)) {
      const passedMs = span.until - entry.from;
      const left = { ttl: 0, grace: entry.ttl + entry.grace };
      if (passedMs < entry.ttl * 1000) this.#of(tenant).set(key, { ...entry, ...left });
    }
  }

  /**
   * Checks that a key may be present in this span, with this TTL in seconds.
   *
   * @returns the value that it must have
   */
  checkHit(tenant: string, key: string, ttl: number, span: Span): string {
    const entry = this.#of(tenant).get(key);
    assert.ok(entry && this.#mayLive(entry, span), `${JSON.stringify(key)} must not be present`);
    const least = secondsLeft(entry, entry.from, span.until) - this.#slackMs / 1000;
    const most = Math.max(1, secondsLeft(entry, entry.until, span.from) + this.#slackMs / 1000);
    assert.ok(Number.isInteger(ttl) && ttl >= 1 && ttl <= entry.ttl, `a TTL of ${ttl}, set to ${entry.ttl}`);
    assert.ok(ttl >= Math.ceil(least) && ttl <= Math.ceil(most), `a TTL of ${ttl}, not ${least} to ${most}`);
    return entry.value as string;
  }

  /** Checks the number of keys that were present at some time in this span. @returns the number of keys that may be present or not */
  checkCount(tenant: string, keys: Iterable<string>, count: number, span: Span): number {
    const entries = [...new Set(keys)].map((key) => this.#of(tenant).get(key));
    const least = entries.filter((entry) => this.#mustExist(entry, span)).length;
    const most = entries.filter((entry) => this.#mayExist(entry, span)).length;
    assert.ok(count >= least && count <= most, `${count} entries, not ${least} to ${most}`);
    return most - least;
  }

  /** Whether an entry may be fresh at some time of a span. */
  #mayLive(entry: Entry | undefined, span: Span): boolean {
    return entry?.value !== undefined && this.#mayLast(entry, span);
  }

  /** Whether an entry is fresh during the whole span. */
  #mustLive(entry: Entry | undefined, span: Span): boolean {
    return entry?.value !== undefined && this.#mustLast(entry, span);
  }

  /** Like `#mayLive`, but for an entry that is fresh or stale. */
  #mayExist(entry: Entry | undefined, span: Span): boolean {
    return this.#mayLive(entry && { ...entry, ttl: entry.ttl + entry.grace }, span);
  }

  #mustExist(entry: Entry | undefined, span: Span): boolean {
    return this.#mustLive(entry && { ...entry, ttl: entry.ttl + entry.grace }, span);
  }

  #mayLast(period: (Span & { ttl: number }) | undefined, { from }: Span): boolean {
    return period !== undefined && from <= period.until + period.ttl * 1000 + this.#slackMs;
  }

  #mustLast(period: (Span & { ttl: number }) | undefined, { until }: Span): boolean {
    return period !== undefined && until < period.from + period.ttl * 1000 - this.#slackMs;
  }

  #of(tenant: string): Map<string, Entry | undefined> {
    const entries = this.#tenants.get(tenant) ?? new Map<string, Entry | undefined>();
    this.#tenants.set(tenant, entries);
    return entries;
  }
}

const secondsLeft = ({ ttl }: { ttl: number }, writtenAt: number, now: number): number =>
  ttl - (now - writtenAt) / 1000;
