import assert from 'node:assert/strict';
import type { Answer, Told } from './answer.ts';
import { globMatches } from './glob.ts';
import type { Operation, Write } from './judge.ts';

interface Entry {
  value: string;
  ttl: number;
  /** Between these times it was written, in epoch milliseconds. */
  from: number;
  until: number;
}

/** When a request was under way, in epoch milliseconds. */
export interface Span {
  from: number;
  until: number;
}

/** Clocks of several processes, read in whole milliseconds. */
const SLACK_MS = 50;
/** How long an entry may outlive its time. */
const OVERTIME_MS = 1000;

/** What every tenant's cache holds, as far as valid requests have changed it; their answers are held against it. */
export class Model {
  readonly #tenants = new Map<string, Map<string, Entry | undefined>>();

  /** The tenants in whose name anything was asked. */
  tenants(): string[] {
    return [...this.#tenants.keys()];
  }

  /** Every key of a tenant that was ever named, also those that hold nothing. */
  keys(tenant: string): string[] {
    return [...this.#of(tenant).keys()];
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
        this.#write(operation.tenant, operation.writes, span);
        return;
      case 'batch set':
        assert.deepEqual(data, { items: operation.writes.map(written) });
        this.#write(operation.tenant, operation.writes, span);
        return;
      case 'touch':
        this.#checkTouch(operation, data, span);
        return;
      case 'delete':
        this.#remove(operation.tenant, operation.keys);
        return;
      case 'batch delete':
        this.#checkCount(operation.tenant, new Set(operation.keys), data, {}, span);
        this.#remove(operation.tenant, operation.keys);
        return;
      case 'invalidate': {
        const { tenant, pattern } = operation;
        const keys = this.keys(tenant).filter((key) => globMatches(pattern, key));
        this.#checkCount(tenant, new Set(keys), data, { pattern, status: 'invalidated' }, span);
        this.#remove(tenant, keys);
        return;
      }
      case 'clear':
        this.#remove(operation.tenant, this.keys(operation.tenant));
        return;
      case 'usage':
        this.#checkUsage(operation.tenant, data, span);
        return;
    }
  }

  #of(tenant: string): Map<string, Entry | undefined> {
    const entries = this.#tenants.get(tenant) ?? new Map();
    this.#tenants.set(tenant, entries);
    return entries;
  }

  #write(tenant: string, writes: Write[], { from, until }: Span): void {
    for (const { key, value, ttl } of writes) this.#of(tenant).set(key, { value, ttl, from, until });
  }

  #remove(tenant: string, keys: string[]): void {
    for (const key of keys) this.#of(tenant).set(key, undefined);
  }

  #checkTouch(
    { tenant, key, ttl }: { tenant: string; key: string; ttl: number },
    data: unknown,
    span: Span,
  ): void {
    const entry = this.#of(tenant).get(key);
    const { found } = data as { found: boolean };
    assert.deepEqual(data, found ? { key, found, ttl } : { key, found: false });
    assert.ok(found ? entry && mayLive(entry, span) : !mustLive(entry, span), `a touch finds ${found}`);
    this.#of(tenant).set(key, found && entry ? { value: entry.value, ttl, ...span } : undefined);
  }

  #checkItem(tenant: string, key: string, text: string, data: unknown, span: Span): void {
    const entry = this.#of(tenant).get(key);
    if (!this.#of(tenant).has(key)) this.#of(tenant).set(key, undefined);
    const { found, value: _, ttl, ...rest } = data as { found: boolean; value: unknown; ttl: number };
    assert.deepEqual(rest, { key });
    if (!found) {
      assert.deepEqual(data, { key, found: false });
      assert.ok(!mustLive(entry, span), `${JSON.stringify(key)} has gone`);
      return;
    }
    assert.ok(entry && mayLive(entry, span), `${JSON.stringify(key)} is there`);
    assert.ok(
      text.includes(`{"key":${JSON.stringify(key)},"value":${entry.value},"found":true,"ttl":`),
      'verbatim',
    );
    assert.ok(Number.isInteger(ttl) && ttl >= 1 && ttl <= entry.ttl);
    assert.ok(ttl >= Math.ceil((entry.from + entry.ttl * 1000 - span.until - SLACK_MS) / 1000));
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
    const held = [...this.#of(tenant).values()];
    const most = held.filter((entry) => mayLive(entry, span)).length;
    const least = held.filter((entry) => mustLive(entry, span)).length;
    assert.ok(entries >= least && entries <= most, `${entries} entries are told of, of ${least} to ${most}`);
  }

  #checkCount(tenant: string, keys: Set<string>, data: object | undefined, rest: object, span: Span): void {
    const { count, ...others } = data as { count: number };
    assert.deepEqual(others, rest);
    const entries = [...keys].map((key) => this.#of(tenant).get(key));
    const most = entries.filter((entry) => mayLive(entry, span)).length;
    const least = entries.filter((entry) => mustLive(entry, span)).length;
    assert.ok(count >= least && count <= most, `${count} entries went, of ${least} to ${most}`);
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

const mayLive = (entry: Entry | undefined, { from }: Span) =>
  entry !== undefined && from <= entry.until + entry.ttl * 1000 + OVERTIME_MS + SLACK_MS;

const mustLive = (entry: Entry | undefined, { until }: Span) =>
  entry !== undefined && until < entry.from + entry.ttl * 1000 - SLACK_MS;
