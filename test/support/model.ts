/**
 * What a cache must hold, as plain as can be: a map for each tenant, and the times between which each entry was written. The
 * caller performs an operation on a real store or service, records it here, and checks the result against what is allowed. An
 * entry that expires at about the time of a check may be found or not; every other entry has one right answer.
 */
import assert from 'node:assert/strict';
import { globMatches } from './glob.ts';

/** The time in which an operation ran, in epoch milliseconds of the clock by which entries expire. */
export interface Span {
  from: number;
  until: number;
}

export interface Write {
  key: string;
  /** JSON text. */
  value: string;
  ttl: number;
  /** Seconds in which the value is stale after its TTL. */
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
  /** When a lease was granted, and for how many seconds. Undefined if it was ended. */
  lease?: (Span & { ttl: number }) | undefined;
} & Span;

/** What a lease request returned. */
export interface LeaseReply {
  hit?: { value: string; ttl: number } | undefined;
  lease?: { token: string; ttlSeconds: number } | undefined;
  retryAfterMs?: number | undefined;
}

/**
 * How far clocks differ, in milliseconds: they are read in whole milliseconds, and a server reads its own once for each turn of
 * its event loop, in which a busy machine may stop it.
 */
const SLACK_MS = 250;

export class StoreModel {
  readonly #slackMs: number;
  /** Each key that was ever named, with its entry if it may still be there. */
  readonly #tenants = new Map<string, Map<string, Entry | undefined>>();

  /** @param slackMs how far the clocks of the store and of the caller may differ */
  constructor(slackMs = SLACK_MS) {
    this.#slackMs = slackMs;
  }

  /** The tenants of all operations so far. */
  tenants(): string[] {
    return [...this.#tenants.keys()];
  }

  /** Every key of a tenant that was ever named, present or not. */
  keys(tenant: string): string[] {
    return [...this.#of(tenant).keys()];
  }

  /** The tenant's keys that a pattern matches. */
  matching(tenant: string, pattern: string): string[] {
    return this.keys(tenant).filter((key) => globMatches(pattern, key));
  }

  /** The tenant's keys that have at least one of the tags. */
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
        `${name} is filled`,
      );
      if (!wasApplied) this.write(tenant, [write], span);
    } else {
      assert.ok(!this.#mustLast(lease, span), `the lease on ${name} has ended`);
      assert.ok(!(wasApplied && this.#mustExist(entry, span)), `${name} was filled before`);
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
    assert.ok(!this.#mustLive(entry, span), `${name} is not fresh`);
    if (hit) {
      assert.ok(entry?.value !== undefined && this.#mayExist(entry, span), `${name} is stale`);
      assert.equal(hit.value, entry.value);
    } else {
      // In the last second of its grace, a value is replaced by a placeholder.
      assert.ok(!this.#mustExist(entry, { ...span, until: span.until + 1000 }), `${name} is missing`);
    }
    if (!lease) {
      assert.ok(this.#mayLast(entry?.lease, span), `the lease on ${name} is held`);
      assert.equal(retryAfterMs === undefined, hit !== undefined);
      return;
    }
    assert.ok(!this.#mustLast(entry?.lease, span), `nobody has the lease on ${name}`);
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

  /** Checks that a key may be present in this span. From then on it has this TTL in seconds. */
  touch(tenant: string, key: string, ttl: number, { from, until }: Span): void {
    const entry = this.#of(tenant).get(key);
    assert.ok(entry && this.#mayLive(entry, { from, until }), `${JSON.stringify(key)} is touched`);
    this.#of(tenant).set(key, { ...entry, ttl, from, until });
  }

  remove(tenant: string, keys: Iterable<string>): void {
    for (const key of keys) this.#of(tenant).set(key, undefined);
  }

  /** Checks that a key may have no fresh value in this span. From then on it must have none until it is written again. */
  checkMiss(tenant: string, key: string, span: Span): void {
    const entry = this.#of(tenant).get(key);
    assert.ok(!this.#mustLive(entry, span), `${JSON.stringify(key)} is missing`);
    if (!entry || entry.value === undefined) return;
    if (entry.grace === 0) this.remove(tenant, [key]);
    // The TTL has passed before this moment. The grace ends when it would have ended anyway.
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
    assert.ok(entry && this.#mayLive(entry, span), `${JSON.stringify(key)} is present`);
    const least = secondsLeft(entry, entry.from, span.until) - this.#slackMs / 1000;
    const most = Math.max(1, secondsLeft(entry, entry.until, span.from) + this.#slackMs / 1000);
    assert.ok(Number.isInteger(ttl) && ttl >= 1 && ttl <= entry.ttl, `a TTL of ${ttl}, set to ${entry.ttl}`);
    assert.ok(ttl >= Math.ceil(least) && ttl <= Math.ceil(most), `a TTL of ${ttl}, not ${least} to ${most}`);
    return entry.value as string;
  }

  /** Checks how many of some keys were present at one moment in this span. @returns how many of them are certain neither way */
  checkCount(tenant: string, keys: Iterable<string>, count: number, span: Span): number {
    const entries = [...new Set(keys)].map((key) => this.#of(tenant).get(key));
    const least = entries.filter((entry) => this.#mustExist(entry, span)).length;
    const most = entries.filter((entry) => this.#mayExist(entry, span)).length;
    assert.ok(count >= least && count <= most, `${count} entries, not ${least} to ${most}`);
    return most - least;
  }

  /** Whether an entry may be fresh at some moment of a span. */
  #mayLive(entry: Entry | undefined, span: Span): boolean {
    return entry?.value !== undefined && this.#mayLast(entry, span);
  }

  /** Whether an entry is fresh at every moment of a span. */
  #mustLive(entry: Entry | undefined, span: Span): boolean {
    return entry?.value !== undefined && this.#mustLast(entry, span);
  }

  /** As `#mayLive`, for an entry that is fresh or stale. */
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
