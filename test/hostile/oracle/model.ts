import assert from 'node:assert/strict';
import { type Span, StoreModel, type Write } from '../../support/model.ts';
import { partsOf, textsOf } from './json-text.ts';
import type { Operation } from './judge.ts';
import type { Content, HttpResponse } from './response.ts';
import { isToken } from './rules.ts';

/** A model of every tenant's entries. It applies valid requests and checks their responses. */
export class Model {
  readonly #stored = new StoreModel();
  #granted: { key: string; token: string } | undefined;

  /** The key and token of the last lease that was granted to any tenant; undefined if there was none. */
  get granted(): { key: string; token: string } | undefined {
    return this.#granted;
  }

  /** The tenants of all requests so far. */
  tenants(): string[] {
    return this.#stored.tenants();
  }

  /** Every key of a tenant that a request has contained, present or not. */
  keys(tenant: string): string[] {
    return this.#stored.keys(tenant);
  }

  /** Checks the response to a successful operation, and applies the operation to the model. */
  check(operation: Operation, response: HttpResponse, content: Content, span: Span): void {
    const data = content !== 'empty' && 'data' in content ? content.data : undefined;
    checkStatus(operation, response);
    switch (operation.kind) {
      case 'docs':
        return;
      case 'health':
        assert.equal(data?.status, 'healthy');
        return;
      case 'openapi':
        assert.match(String(data?.openapi), /^3\.1/);
        return;
      case 'get':
        this.#checkItem(operation.tenant, operation.keys[0] as string, response.body, data, span);
        return;
      case 'batch get':
        this.#checkItems(operation.tenant, operation.keys, response.body, data, span);
        return;
      case 'set':
        assert.deepEqual(data, written(operation.writes[0] as Write));
        this.#write(operation.tenant, operation.writes[0] as Write, true, span);
        return;
      case 'batch set':
        this.#checkSets(operation.tenant, operation.writes, data, span);
        return;
      case 'lease':
        this.#checkLease(operation, operation.keys[0] as string, dataText(response), span);
        return;
      case 'batch lease':
        this.#checkLeases(operation, dataText(response), span);
        return;
      case 'release':
        this.#stored.release(operation.tenant, operation.key, operation.token);
        return;
      case 'touch':
        this.#checkTouch(operation, data, span);
        return;
      case 'delete':
        this.#stored.remove(operation.tenant, operation.keys);
        return;
      case 'batch delete':
        this.#checkCount(operation.tenant, operation.keys, data, {}, span);
        this.#stored.remove(operation.tenant, operation.keys);
        return;
      case 'invalidate': {
        const { tenant, pattern } = operation;
        const keys = this.#stored.matching(tenant, pattern);
        this.#checkCount(tenant, keys, data, { pattern, status: 'invalidated' }, span);
        this.#stored.remove(tenant, keys);
        return;
      }
      case 'invalidate tags': {
        const { tenant, tags } = operation;
        const keys = this.#stored.tagged(tenant, tags);
        this.#checkCount(tenant, keys, data, { tags, status: 'invalidated' }, span);
        this.#stored.remove(tenant, keys);
        return;
      }
      case 'keys':
        this.#checkList(operation, data, span);
        return;
      case 'clear':
        this.#stored.remove(operation.tenant, this.keys(operation.tenant));
        return;
      case 'usage':
        this.#checkUsage(operation.tenant, data, span);
        return;
    }
  }

  /** Checks a set that was rejected with LEASE_LOST: its lease may have ended. */
  checkLost({ tenant, writes }: { tenant: string; writes: Write[] }, span: Span): void {
    this.#write(tenant, writes[0] as Write, false, span);
  }

  #write(tenant: string, write: Write, accepted: boolean, span: Span): void {
    const { lease } = write;
    if (lease !== undefined) this.#stored.fill(tenant, { ...write, lease }, accepted, span);
    else {
      assert.ok(accepted, 'a set without a lease was rejected');
      this.#stored.write(tenant, [write], span);
    }
  }

  #checkSets(tenant: string, writes: Write[], data: object | undefined, span: Span): void {
    const { items, ...rest } = data as { items: { status: string }[] };
    assert.deepEqual(rest, {});
    assert.equal(items.length, writes.length);
    for (const [index, write] of writes.entries()) {
      const accepted = items[index]?.status === 'set';
      assert.deepEqual(items[index], accepted ? written(write) : { key: write.key, status: 'lease_lost' });
      this.#write(tenant, write, accepted, span);
    }
  }

  #checkLease({ tenant, seconds, tags }: LeaseOperation, key: string, text: string, span: Span): void {
    const data = JSON.parse(text);
    const { found, lease, retry_after_ms: retryAfterMs } = data;
    const [value = ''] = textsOf(partsOf(text), 'value');
    const hit = found ? { value, ttl: data.ttl } : undefined;
    const { value: _, ...rest } = data;
    assert.deepEqual(rest, {
      key,
      found,
      ...(found && { ttl: data.ttl, stale: data.ttl === 0 }),
      ...(lease && { lease: { token: lease.token, ttl: lease.ttl } }),
      ...(retryAfterMs !== undefined && { retry_after_ms: retryAfterMs }),
    });
    if (lease) {
      assert.ok(isToken(lease.token), `${lease.token} is not a valid token`);
      assert.ok(Number.isInteger(lease.ttl) && lease.ttl >= 1 && lease.ttl <= seconds);
      if (!found) assert.equal(lease.ttl, seconds);
      this.#granted = { key, token: lease.token };
    }
    if (retryAfterMs !== undefined) assert.ok(Number.isInteger(retryAfterMs) && retryAfterMs >= 1);
    const granted = lease && { token: lease.token, ttlSeconds: lease.ttl };
    this.#stored.lease(tenant, key, { hit, lease: granted, retryAfterMs }, span, tags);
  }

  #checkLeases(operation: LeaseOperation, text: string, span: Span): void {
    const { items, ...rest } = JSON.parse(text);
    assert.deepEqual(rest, {});
    assert.equal(items.length, operation.keys.length);
    const texts = partsOf(textsOf(partsOf(text), 'items')[0] as string);
    for (const [index, key] of operation.keys.entries()) {
      const first = operation.keys.indexOf(key);
      if (first === index) this.#checkLease(operation, key, texts[index]?.text ?? '', span);
      // As texts, because deepEqual recurses and values may be nested thousands of levels deep.
      else assert.equal(texts[index]?.text, texts[first]?.text);
    }
  }

  #checkTouch(
    { tenant, key, ttl }: { tenant: string; key: string; ttl: number },
    data: unknown,
    span: Span,
  ): void {
    const { found } = data as { found: boolean };
    assert.deepEqual(data, found ? { key, found, ttl } : { key, found: false });
    if (found) this.#stored.touch(tenant, key, ttl, span);
    else this.#stored.checkMiss(tenant, key, span);
  }

  #checkItem(tenant: string, key: string, text: string, data: unknown, span: Span): void {
    const { found, value: _, ttl, ...rest } = data as { found: boolean; value: unknown; ttl: number };
    assert.deepEqual(rest, { key });
    if (!found) {
      assert.deepEqual(data, { key, found: false });
      this.#stored.checkMiss(tenant, key, span);
      return;
    }
    const value = this.#stored.checkHit(tenant, key, ttl, span);
    assert.ok(
      text.includes(`{"key":${JSON.stringify(key)},"value":${value},"found":true,"ttl":`),
      'the value is not returned verbatim',
    );
  }

  #checkItems(tenant: string, keys: string[], text: string, data: unknown, span: Span): void {
    const { items, ...rest } = data as { items: unknown[] };
    assert.deepEqual(rest, {});
    assert.equal(items.length, keys.length);
    for (const [index, key] of keys.entries()) this.#checkItem(tenant, key, text, items[index], span);
  }

  /** Checks a first page of keys: its order, every listed key, and that no key is missing before its last key. */
  #checkList({ tenant, pattern, tag, limit }: ListOperation, data: object | undefined, span: Span): void {
    const { keys, cursor, ...rest } = data as { keys: ListedKey[]; cursor: string | null };
    assert.deepEqual(rest, {});
    assert.ok(keys.length <= limit);
    const wanted = this.#stored.matching(tenant, pattern);
    const tagged = tag === undefined ? wanted : this.#stored.tagged(tenant, [tag]);
    const names = keys.map(({ key }) => Buffer.from(key));
    for (const [index, { key, ttl, stale, tags, ...others }] of keys.entries()) {
      assert.deepEqual(others, {});
      assert.ok(wanted.includes(key) && tagged.includes(key), `${JSON.stringify(key)} should not be listed`);
      assert.ok(index === 0 || Buffer.compare(names[index - 1] as Buffer, names[index] as Buffer) < 0);
      assert.equal(stale, ttl === 0);
      if (!stale) this.#stored.checkHit(tenant, key, ttl, span);
      if (tag !== undefined) assert.ok(tags.includes(tag));
    }
    const expected = wanted.filter((key) => tagged.includes(key));
    const last = names.at(-1);
    if (cursor === null) this.#stored.checkCount(tenant, expected, keys.length, span);
    else {
      assert.match(cursor, /^[\w-]+$/);
      const before = expected.filter((key) => last && Buffer.compare(Buffer.from(key), last) <= 0);
      this.#stored.checkCount(tenant, before, keys.length, span);
    }
  }

  #checkUsage(tenant: string, data: object | undefined, span: Span): void {
    const { tenant_id, entries, ...rest } = data as { tenant_id: string; entries: number };
    assert.equal(tenant_id, tenant);
    assert.deepEqual(Object.keys(rest).sort(), ['backend', 'bytes', 'limits']);
    this.#stored.checkCount(tenant, this.keys(tenant), entries, span);
  }

  #checkCount(tenant: string, keys: string[], data: object | undefined, rest: object, span: Span): void {
    const { count, ...others } = data as { count: number };
    assert.deepEqual(others, rest);
    this.#stored.checkCount(tenant, keys, count, span);
  }
}

type ListOperation = Extract<Operation, { kind: 'keys' }>;

interface ListedKey {
  key: string;
  ttl: number;
  stale: boolean;
  tags: string[];
}

type LeaseOperation = Extract<Operation, { kind: 'lease' | 'batch lease' }>;

/** Returns the JSON text of a response's data. */
function dataText({ body }: HttpResponse): string {
  return textsOf(partsOf(body), 'data')[0] as string;
}

/** Checks the status of a successful response. */
export function checkStatus(operation: Operation, { status }: Pick<HttpResponse, 'status'>): void {
  assert.equal(status, STATUS[operation.kind]);
}

const STATUS: Record<Operation['kind'], number> = {
  docs: 302,
  health: 200,
  openapi: 200,
  get: 200,
  'batch get': 200,
  'batch delete': 200,
  usage: 200,
  keys: 200,
  invalidate: 200,
  'invalidate tags': 200,
  touch: 200,
  lease: 200,
  'batch lease': 200,
  release: 204,
  set: 201,
  'batch set': 201,
  delete: 204,
  clear: 204,
};

const written = ({ key, ttl }: Write) => ({ key, status: 'set', ttl });
