import { expect } from 'vitest';
import { compileGlob } from '../../lib/cache/glob.ts';
import type { Hit } from '../../lib/cache/store.ts';
import { type OpenStore, soon } from './backends.ts';

interface Remembered {
  value: string;
  ttl: number;
  /** Epoch milliseconds between which the store must have written it. */
  from: number;
  until: number;
}

/** Clocks are read in whole milliseconds, the engine's once for each turn of its loop. */
const SLACK_MS = 25;

/**
 * What a cache should do, as plain as can be: a map for each tenant, and a clock. Every step is done to the store and to the
 * model, and what the store answers is held against what the model allows. An entry whose time is up at about the moment when
 * it is looked for may be there or not.
 */
export class Model {
  readonly #opened: OpenStore;
  readonly #tenants = new Map<string, Map<string, Remembered>>();

  constructor(opened: OpenStore) {
    this.#opened = opened;
  }

  async get(tenant: string, key: string): Promise<void> {
    const { result: hit, may, must } = await this.#look(tenant, key, () => this.#store.get(tenant, key));
    if (must) expect(hit).toBeDefined();
    if (!may) expect(hit).toBeUndefined();
    if (hit && may) this.#compare(hit, may);
    if (!hit) this.#of(tenant).delete(key);
  }

  async set(tenant: string, key: string, value: string, ttl: number): Promise<void> {
    const from = this.#opened.now();
    await this.#store.set(tenant, key, value, ttl);
    this.#of(tenant).set(key, { value, ttl, from, until: this.#opened.now() });
  }

  async delete(tenant: string, key: string): Promise<void> {
    const {
      result: deleted,
      may,
      must,
    } = await this.#look(tenant, key, () => this.#store.delete(tenant, key));
    if (must) expect(deleted).toBe(true);
    if (!may) expect(deleted).toBe(false);
    this.#of(tenant).delete(key);
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

  /** `may`: the entry that the store may have found; `must`: that it must have. */
  async #look<T>(tenant: string, key: string, look: () => Promise<T>) {
    const begun = this.#opened.now();
    const result = await look();
    const entry = this.#of(tenant).get(key);
    return {
      result,
      may: entry && mayLive(entry, begun) ? entry : undefined,
      must: entry !== undefined && mustLive(entry, this.#opened.now()),
    };
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

/** A matcher of another make: well-formed patterns as a regular expression over bytes. */
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
