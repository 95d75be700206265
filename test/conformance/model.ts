import { expect } from 'vitest';
import { compileGlob } from '../../lib/store/glob.ts';
import type { Hit } from '../../lib/store/store.ts';
import { type OpenStore, soon } from './backends.ts';

interface Remembered {
  value: string;
  ttl: number;
  /** The store has written the entry between these times, in epoch milliseconds. */
  from: number;
  until: number;
}

/** Clocks are read in whole milliseconds, and the engine reads its clock once per turn of its event loop. */
const SLACK_MS = 25;

/**
 * The simplest correct cache: a map for each tenant, and a clock. Every step runs on the store and on the model, and the
 * store's result is compared with the results that the model allows. An entry that expires at about the time of a read may be
 * a hit or a miss.
 */
export class Model {
  readonly #opened: OpenStore;
  readonly #tenants = new Map<string, Map<string, Remembered>>();

  constructor(opened: OpenStore) {
    this.#opened = opened;
  }

  async get(tenant: string, key: string): Promise<void> {
    await this.#read(tenant, [key], async () => [await this.#store.get(tenant, key)]);
  }

  async getMany(tenant: string, keys: string[]): Promise<void> {
    await this.#read(tenant, keys, () => this.#store.getMany(tenant, keys, Number.MAX_SAFE_INTEGER));
  }

  async set(tenant: string, key: string, value: string, ttl: number): Promise<void> {
    await this.#write(tenant, [[key, value, ttl]], () => this.#store.set(tenant, key, value, ttl));
  }

  async setMany(tenant: string, items: [key: string, value: string, ttl: number][]): Promise<void> {
    const given = items.map(([key, value, ttlSeconds]) => ({ key, value, ttlSeconds }));
    await this.#write(tenant, items, () => this.#store.setMany(tenant, given));
  }

  async touch(tenant: string, key: string, ttl: number): Promise<void> {
    const from = this.#opened.now();
    const found = await this.#store.touch(tenant, key, ttl);
    const until = this.#opened.now();
    const entry = this.#of(tenant).get(key);
    if (entry && mustLive(entry, until)) expect(found).toBe(true);
    if (!entry || !mayLive(entry, from)) expect(found).toBe(false);
    if (found && entry) this.#of(tenant).set(key, { value: entry.value, ttl, from, until });
    else this.#of(tenant).delete(key);
  }

  async delete(tenant: string, key: string): Promise<void> {
    await this.#removeAll(
      tenant,
      (each) => each === key,
      async () => ((await this.#store.delete(tenant, key)) ? 1 : 0),
    );
  }

  async deleteMany(tenant: string, keys: string[]): Promise<void> {
    await this.#removeAll(
      tenant,
      (each) => keys.includes(each),
      () => this.#store.deleteMany(tenant, keys),
    );
  }

  async invalidate(tenant: string, pattern: string): Promise<void> {
    const expression = toRegExp(pattern);
    const matching = (key: string) => expression.test(Buffer.from(key).toString('latin1'));
    await this.#removeAll(tenant, matching, async () => {
      const { count, complete } = await this.#store.invalidate(tenant, compileGlob(pattern), soon());
      expect(complete).toBe(true);
      return count;
    });
  }

  async clear(tenant: string): Promise<void> {
    await this.#removeAll(
      tenant,
      () => true,
      () => this.#store.clear(tenant, soon()),
    );
  }

  async usage(tenant: string): Promise<void> {
    const begun = this.#opened.now();
    const { entries, sampled, missing } = await this.#store.usage(tenant);
    const ended = this.#opened.now();
    const remembered = [...this.#of(tenant).values()];
    expect(entries).toBeGreaterThanOrEqual(remembered.filter((entry) => mustLive(entry, ended)).length);
    expect(entries).toBeLessThanOrEqual(remembered.filter((entry) => mayLive(entry, begun)).length);
    expect(sampled).toBeLessThanOrEqual(entries);
    // Entries that may have expired between the count and the sample.
    const unsure = remembered.filter((entry) => mayLive(entry, begun) && !mustLive(entry, ended)).length;
    expect(missing).toBeLessThanOrEqual(unsure);
  }

  async pass(ms: number): Promise<void> {
    await this.#opened.pass(ms);
  }

  get #store() {
    return this.#opened.store;
  }

  #of(tenant: string): Map<string, Remembered> {
    const entries = this.#tenants.get(tenant) ?? new Map();
    this.#tenants.set(tenant, entries);
    return entries;
  }

  async #read(tenant: string, keys: string[], read: () => Promise<(Hit | undefined)[]>): Promise<void> {
    const begun = this.#opened.now();
    const hits = await read();
    const ended = this.#opened.now();
    expect(hits).toHaveLength(keys.length);
    const entries = keys.map((key) => this.#of(tenant).get(key));
    for (const [index, hit] of hits.entries()) {
      const entry = entries[index];
      if (entry && mustLive(entry, ended)) expect(hit).toBeDefined();
      if (!entry || !mayLive(entry, begun)) expect(hit).toBeUndefined();
      if (hit && entry) this.#compare(hit, entry);
      if (!hit) this.#of(tenant).delete(keys[index] as string);
    }
  }

  async #write(tenant: string, items: [string, string, number][], write: () => Promise<void>) {
    const from = this.#opened.now();
    await write();
    const until = this.#opened.now();
    for (const [key, value, ttl] of items) this.#of(tenant).set(key, { value, ttl, from, until });
  }

  async #removeAll(tenant: string, matching: (key: string) => boolean, remove: () => Promise<number>) {
    const entries = [...this.#of(tenant)].filter(([key]) => matching(key));
    const begun = this.#opened.now();
    const count = await remove();
    const ended = this.#opened.now();
    expect(count).toBeGreaterThanOrEqual(entries.filter(([, entry]) => mustLive(entry, ended)).length);
    expect(count).toBeLessThanOrEqual(entries.filter(([, entry]) => mayLive(entry, begun)).length);
    for (const [key] of entries) this.#of(tenant).delete(key);
  }

  #compare({ value, ttl }: Hit, entry: Remembered): void {
    expect(value).toBe(entry.value);
    expect(ttl).toBeGreaterThanOrEqual(1);
    expect(ttl).toBeLessThanOrEqual(entry.ttl);
    const left = (time: number) => Math.ceil((time + entry.ttl * 1000 - this.#opened.now()) / 1000);
    expect(ttl).toBeGreaterThanOrEqual(left(entry.from - SLACK_MS));
    expect(ttl).toBeLessThanOrEqual(Math.max(1, left(entry.until + SLACK_MS)) + 1);
  }
}

const mayLive = ({ until, ttl }: Remembered, now: number) => now <= until + ttl * 1000 + SLACK_MS;
const mustLive = ({ from, ttl }: Remembered, now: number) => now < from + ttl * 1000 - SLACK_MS;

/** An independent matcher: converts a well-formed pattern to a regular expression over bytes. */
function toRegExp(pattern: string): RegExp {
  const parts = Buffer.from(pattern)
    .toString('latin1')
    .matchAll(/\\(.)|(\[\^?)((?:\\.|[^\]])*)\]|([*?])|(.)/gs);
  let source = '';
  for (const [, escaped, open, members, wildcard, plain] of parts) {
    if (open) source += `${open}${members}]`;
    else if (wildcard) source += wildcard === '*' ? '.*' : '.';
    else source += (escaped ?? plain ?? '').replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&');
  }
  return new RegExp(`^${source}$`, 's');
}
