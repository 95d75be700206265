import { type Answer, readData, readHealth, readNothing } from './answer.ts';
import { ValidationError } from './errors.ts';
import type { Request } from './transport.ts';
import type { Health, Lookup, Usage, WasSet } from './types.ts';

/** What each operation sends, and what it makes of the answer. */

const API = '/api/v1/cache';

export function getOne(key: string): Request<Lookup<unknown>> {
  return {
    method: 'GET',
    target: byKey(key),
    repeatable: 'always',
    read: (answer) => lookup(readData(answer)),
  };
}

export function getBatch(keys: readonly string[]): Request<Lookup<unknown>[]> {
  return {
    method: 'POST',
    target: `${API}/batch/get`,
    body: JSON.stringify({ keys }),
    repeatable: 'always',
    read: (answer) => itemsOf(answer).map(lookup),
  };
}

/** @param entry JSON text */
export function setOne(entry: string): Request<WasSet> {
  return {
    method: 'POST',
    target: API,
    body: entry,
    repeatable: 'unless-taken',
    read: (answer) => wasSet(readData(answer)),
  };
}

/** @param entries JSON texts */
export function setBatch(entries: readonly string[]): Request<WasSet[]> {
  return {
    method: 'POST',
    target: `${API}/batch/set`,
    body: `{"items":[${entries.join(',')}]}`,
    repeatable: 'unless-taken',
    read: (answer) => itemsOf(answer).map(wasSet),
  };
}

export function deleteOne(key: string): Request<void> {
  return { method: 'DELETE', target: byKey(key), repeatable: 'always', read: readNothing };
}

export function deleteBatch(keys: readonly string[]): Request<number> {
  return {
    method: 'POST',
    target: `${API}/batch/delete`,
    body: JSON.stringify({ keys }),
    repeatable: 'always',
    read: countOf,
  };
}

export function invalidation(pattern: string): Request<number> {
  return {
    method: 'POST',
    target: `${API}/invalidate`,
    body: JSON.stringify({ pattern }),
    repeatable: 'always',
    read: countOf,
  };
}

export function clearing(tenant: string): Request<void> {
  return { method: 'DELETE', target: ofTenant(tenant), repeatable: 'always', read: readNothing };
}

export function usageOf(tenant: string): Request<Usage> {
  return {
    method: 'GET',
    target: ofTenant(tenant),
    repeatable: 'always',
    read: (answer) => {
      const usage = readData(answer) as unknown as Usage;
      return { ...usage, entries: Number(usage.entries), bytes: mapped(usage.bytes) };
    },
  };
}

export const healthReport: Request<Health> = {
  method: 'GET',
  target: '/health',
  repeatable: 'always',
  read: (answer) => {
    const health = readHealth(answer) as unknown as Health;
    const memory = health.memory && mapped(health.memory);
    return { ...health, latency_ms: Number(health.latency_ms), ...(memory && { memory }) };
  },
};

/**
 * Keys go by the query, which carries all of them. A path would not: API Gateway decodes it before it looks for its segments,
 * and `fetch` takes `.` and `..` for steps even where they are percent-encoded.
 *
 * @throws ValidationError for half a surrogate pair, which has no percent-encoding
 */
function byKey(key: string): string {
  try {
    return `${API}?key=${encodeURIComponent(key)}`;
  } catch (cause) {
    const issues = [{ field: 'key', message: 'must be well-formed Unicode' }];
    throw new ValidationError({ message: 'The request is not valid', details: { issues }, cause });
  }
}

function ofTenant(tenant: string): string {
  return `${API}/tenant/${encodeURIComponent(tenant)}`;
}

type Members = Record<string, unknown>;

/** With every member a number. */
function mapped<T extends object>(numbers: T): T {
  return Object.fromEntries(Object.entries(numbers).map(([name, number]) => [name, Number(number)])) as T;
}

// Numbers are made numbers: a parser of the caller's own may have made something else of them.

function lookup({ key, found, value, ttl }: Members): Lookup<unknown> {
  const name = key as string;
  return found ? { found: true, key: name, value, ttl: Number(ttl) } : { found: false, key: name };
}

function wasSet({ key, ttl }: Members): WasSet {
  return { key: key as string, ttl: Number(ttl) };
}

function itemsOf(answer: Answer): Members[] {
  return readData(answer).items as Members[];
}

function countOf(answer: Answer): number {
  return Number(readData(answer).count);
}
