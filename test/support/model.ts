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
}

/** An entry and the span of its write. */
type Entry = Write & Span;

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

  write(tenant: string, writes: readonly Write[], { from, until }: Span): void {
    for (const { key, value, ttl } of writes) this.#of(tenant).set(key, { key, value, ttl, from, until });
  }

  /** Checks that a key may be present in this span. From then on it has this TTL in seconds. */
  touch(tenant: string, key: string, ttl: number, { from, until }: Span): void {
    const entry = this.#of(tenant).get(key);
    assert.ok(entry && this.#mayLive(entry, { from, until }), `${JSON.stringify(key)} is touched`);
    this.write(tenant, [{ ...entry, ttl }], { from, until });
  }

  remove(tenant: string, keys: Iterable<string>): void {
    for (const key of keys) this.#of(tenant).set(key, undefined);
  }

  /** Checks that a key may be missing in this span. From then on it must be missing until it is written again. */
  checkMiss(tenant: string, key: string, span: Span): void {
    const entry = this.#of(tenant).get(key);
    assert.ok(!this.#mustLive(entry, span), `${JSON.stringify(key)} is missing`);
    this.remove(tenant, [key]);
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
    return entry.value;
  }

  /** Checks how many of some keys were present at one moment in this span. @returns how many of them are certain neither way */
  checkCount(tenant: string, keys: Iterable<string>, count: number, span: Span): number {
    const entries = [...new Set(keys)].map((key) => this.#of(tenant).get(key));
    const least = entries.filter((entry) => this.#mustLive(entry, span)).length;
    const most = entries.filter((entry) => this.#mayLive(entry, span)).length;
    assert.ok(count >= least && count <= most, `${count} entries, not ${least} to ${most}`);
    return most - least;
  }

  #mayLive(entry: Entry | undefined, { from }: Span): boolean {
    return entry !== undefined && from <= entry.until + entry.ttl * 1000 + this.#slackMs;
  }

  #mustLive(entry: Entry | undefined, { until }: Span): boolean {
    return entry !== undefined && until < entry.from + entry.ttl * 1000 - this.#slackMs;
  }

  #of(tenant: string): Map<string, Entry | undefined> {
    const entries = this.#tenants.get(tenant) ?? new Map<string, Entry | undefined>();
    this.#tenants.set(tenant, entries);
    return entries;
  }
}

const secondsLeft = ({ ttl }: Entry, writtenAt: number, now: number): number =>
  ttl - (now - writtenAt) / 1000;
