import assert from 'node:assert/strict';
import { type Span, StoreModel, type Write } from '../../support/model.ts';
import type { Answer, Told } from './answer.ts';
import type { Operation } from './judge.ts';

/** What every tenant's cache holds, as far as valid requests have changed it. Checks their answers against it. */
export class Model {
  readonly #stored = new StoreModel();

  /** The tenants of all requests so far. */
  tenants(): string[] {
    return this.#stored.tenants();
  }

  /** Every key of a tenant that was ever named, present or not. */
  keys(tenant: string): string[] {
    return this.#stored.keys(tenant);
  }

  /** Checks the answer to an operation that was not refused, and keeps in mind what it did. */
  check(operation: Operation, answer: Answer, told: Told, span: Span): void {
    const data = told !== 'nothing' && 'data' in told ? told.data : undefined;
    checkStatus(operation, answer);
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
        this.#checkItem(operation.tenant, operation.keys[0] as string, answer.body, data, span);
        return;
      case 'batch get':
        this.#checkItems(operation.tenant, operation.keys, answer.body, data, span);
        return;
      case 'set':
        assert.deepEqual(data, written(operation.writes[0] as Write));
        this.#stored.write(operation.tenant, operation.writes, span);
        return;
      case 'batch set':
        assert.deepEqual(data, { items: operation.writes.map(written) });
        this.#stored.write(operation.tenant, operation.writes, span);
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
      case 'clear':
        this.#stored.remove(operation.tenant, this.keys(operation.tenant));
        return;
      case 'usage':
        this.#checkUsage(operation.tenant, data, span);
        return;
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
      'verbatim',
    );
  }

  #checkItems(tenant: string, keys: string[], text: string, data: unknown, span: Span): void {
    const { items, ...rest } = data as { items: unknown[] };
    assert.deepEqual(rest, {});
    assert.equal(items.length, keys.length);
    for (const [index, key] of keys.entries()) this.#checkItem(tenant, key, text, items[index], span);
  }

  #checkUsage(tenant: string, data: object | undefined, span: Span): void {
    const { tenant_id, entries, ...rest } = data as { tenant_id: string; entries: number };
    assert.equal(tenant_id, tenant);
    assert.deepEqual(Object.keys(rest).sort(), ['backend', 'bytes']);
    this.#stored.checkCount(tenant, this.keys(tenant), entries, span);
  }

  #checkCount(tenant: string, keys: string[], data: object | undefined, rest: object, span: Span): void {
    const { count, ...others } = data as { count: number };
    assert.deepEqual(others, rest);
    this.#stored.checkCount(tenant, keys, count, span);
  }
}

/** What can be checked of an answer without a body. */
export function checkStatus(operation: Operation, { status }: Pick<Answer, 'status'>): void {
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
  invalidate: 200,
  touch: 200,
  set: 201,
  'batch set': 201,
  delete: 204,
  clear: 204,
};

const written = ({ key, ttl }: Write) => ({ key, status: 'set', ttl });
