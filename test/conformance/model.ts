import { expect } from 'vitest';
import { compileGlob } from '../../lib/store/glob.ts';
import { newId } from '../../lib/store/id.ts';
import type { Hit } from '../../lib/store/store.ts';
import { type LeaseReply, type Span, StoreModel, type Write } from '../support/model.ts';
import { type OpenStore, soon } from './backends.ts';

/** Does each step to a store and to the model, and checks what the store returns against what the model allows. */
export class ModelledStore {
  readonly #opened: OpenStore;
  readonly #model: StoreModel;
  /** The tokens of leases by tenant and key, the last one first. */
  readonly #tokens = new Map<string, string[]>();

  /** @param slackMs see `StoreModel` */
  constructor(opened: OpenStore, slackMs?: number) {
    this.#opened = opened;
    this.#model = new StoreModel(slackMs);
  }

  async get(tenant: string, key: string): Promise<void> {
    await this.#read(tenant, [key], async () => [await this.#store.get(tenant, key)]);
  }

  async getMany(tenant: string, keys: string[]): Promise<void> {
    await this.#read(tenant, keys, () => this.#store.getMany(tenant, keys, Number.MAX_SAFE_INTEGER));
  }

  async set(
    tenant: string,
    key: string,
    value: string,
    ttl: number,
    grace = 0,
    tags: string[] = [],
  ): Promise<void> {
    await this.#write(tenant, [{ key, value, ttl, grace, tags }], () =>
      this.#store.set(tenant, key, value, ttl, { graceSeconds: grace, tags }),
    );
  }

  async lease(tenant: string, key: string, leaseSeconds: number, tags: string[] = []): Promise<void> {
    const [reply, span] = await this.#timed(() => this.#store.lease(tenant, key, leaseSeconds, tags));
    this.#record(tenant, key, reply, span, tags);
  }

  async leaseMany(tenant: string, keys: string[], leaseSeconds: number): Promise<void> {
    const [replies, span] = await this.#timed(() =>
      this.#store.leaseMany(tenant, keys, leaseSeconds, Number.MAX_SAFE_INTEGER),
    );
    expect(replies).toHaveLength(keys.length);
    // A repeated key has the same reply each time.
    for (const key of new Set(keys))
      this.#record(tenant, key, replies[keys.indexOf(key)] as LeaseReply, span);
  }

  /** Sets a value with a lease that was granted on the key. @param age 0 for the last one, 1 for the one before … */
  async fill(
    tenant: string,
    key: string,
    value: string,
    ttl: number,
    grace: number,
    age: number,
    tags: string[] = [],
  ): Promise<void> {
    const lease = this.#token(tenant, key, age);
    const [accepted, span] = await this.#timed(() =>
      this.#store.set(tenant, key, value, ttl, { lease, graceSeconds: grace, tags }),
    );
    this.#model.fill(tenant, { key, value, ttl, grace, lease, tags }, accepted, span);
  }

  /** Sets a batch, in which every second item has the last lease on its key. */
  async fillMany(tenant: string, items: [key: string, value: string, ttl: number][]): Promise<void> {
    const writes = items.map(([key, value, ttl], index) => ({
      key,
      value,
      ttl,
      lease: index % 2 ? this.#token(tenant, key, 0) : undefined,
    }));
    const [results, span] = await this.#timed(() =>
      this.#store.setMany(
        tenant,
        writes.map(({ ttl, ...write }) => ({ ...write, ttlSeconds: ttl })),
      ),
    );
    for (const [index, { lease, ...write }] of writes.entries()) {
      if (lease === undefined) this.#model.write(tenant, [write], span);
      else this.#model.fill(tenant, { ...write, lease }, results[index] === true, span);
    }
  }

  async release(tenant: string, key: string, age: number): Promise<void> {
    const token = this.#token(tenant, key, age);
    await this.#store.release(tenant, key, token);
    this.#model.release(tenant, key, token);
  }

  #record(tenant: string, key: string, reply: LeaseReply, span: Span, tags: string[] = []): void {
    this.#model.lease(tenant, key, reply, span, tags);
    if (!reply.lease) return;
    const name = `${tenant}\n${key}`;
    this.#tokens.set(name, [reply.lease.token, ...(this.#tokens.get(name) ?? [])]);
  }

  /** A token that was granted on the key, or one that never was. */
  #token(tenant: string, key: string, age: number): string {
    return this.#tokens.get(`${tenant}\n${key}`)?.[age] ?? newId();
  }

  async setMany(tenant: string, items: [key: string, value: string, ttl: number][]): Promise<void> {
    const writes = items.map(([key, value, ttl]) => ({ key, value, ttl }));
    const given = items.map(([key, value, ttlSeconds]) => ({ key, value, ttlSeconds }));
    await this.#write(tenant, writes, () => this.#store.setMany(tenant, given));
  }

  async touch(tenant: string, key: string, ttl: number): Promise<void> {
    const [found, span] = await this.#timed(() => this.#store.touch(tenant, key, ttl));
    if (found) this.#model.touch(tenant, key, ttl, span);
    else this.#model.checkMiss(tenant, key, span);
  }

  async delete(tenant: string, key: string): Promise<void> {
    await this.#remove(tenant, [key], async () => ((await this.#store.delete(tenant, key)) ? 1 : 0));
  }

  async deleteMany(tenant: string, keys: string[]): Promise<void> {
    await this.#remove(tenant, keys, () => this.#store.deleteMany(tenant, keys));
  }

  async invalidate(tenant: string, pattern: string): Promise<void> {
    await this.#remove(tenant, this.#model.matching(tenant, pattern), async () => {
      const { count, complete } = await this.#store.invalidate(tenant, compileGlob(pattern), soon());
      expect(complete).toBe(true);
      return count;
    });
  }

  async invalidateTags(tenant: string, tags: string[]): Promise<void> {
    await this.#remove(tenant, this.#model.tagged(tenant, tags), async () => {
      const { count, complete } = await this.#store.invalidateTags(tenant, tags, soon());
      expect(complete).toBe(true);
      return count;
    });
  }

  async clear(tenant: string): Promise<void> {
    await this.#remove(tenant, this.#model.keys(tenant), () => this.#store.clear(tenant, soon()));
  }

  async usage(tenant: string): Promise<void> {
    const [{ entries, sampled, missing }, span] = await this.#timed(() => this.#store.usage(tenant));
    const uncertain = this.#model.checkCount(tenant, this.#model.keys(tenant), entries, span);
    expect(sampled).toBeLessThanOrEqual(entries);
    // An entry that expires between the count and the look at it.
    expect(missing).toBeLessThanOrEqual(uncertain);
  }

  async pass(ms: number): Promise<void> {
    await this.#opened.pass(ms);
  }

  get #store() {
    return this.#opened.store;
  }

  async #timed<T>(operation: () => Promise<T>): Promise<[T, Span]> {
    const from = this.#opened.now();
    const result = await operation();
    return [result, { from, until: this.#opened.now() }];
  }

  async #read(tenant: string, keys: string[], read: () => Promise<(Hit | undefined)[]>): Promise<void> {
    const [hits, span] = await this.#timed(read);
    expect(hits).toHaveLength(keys.length);
    for (const [index, key] of keys.entries()) {
      const hit = hits[index];
      if (hit) expect(hit.value).toBe(this.#model.checkHit(tenant, key, hit.ttl, span));
      else this.#model.checkMiss(tenant, key, span);
    }
  }

  async #write(tenant: string, writes: Write[], write: () => Promise<unknown>): Promise<void> {
    const [, span] = await this.#timed(write);
    this.#model.write(tenant, writes, span);
  }

  async #remove(tenant: string, keys: string[], remove: () => Promise<number>): Promise<void> {
    const [count, span] = await this.#timed(remove);
    this.#model.checkCount(tenant, keys, count, span);
    this.#model.remove(tenant, keys);
  }
}
