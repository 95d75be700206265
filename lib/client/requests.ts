import { type Size, sizeOf } from './batches.ts';
import { ValidationError } from './errors.ts';
import { entryText } from './json.ts';
import { readData, readHealth, readNothing, type ServiceResponse } from './response.ts';
import type { Request } from './transport.ts';
import type {
  EntryOptions,
  Health,
  KeysOptions,
  LeaseLookup,
  ListedKey,
  Lookup,
  Tags,
  Usage,
  WasSet,
} from './types.ts';

/** The request of each operation, and how its response is read. */

const API = '/api/v1/cache';

export function getOne(key: string): Request<Lookup<unknown>> {
  return {
    method: 'GET',
    target: targetOf(key),
    retry: 'always',
    read: (response) => lookupOf(readData(response)),
  };
}

export function getBatch(keys: readonly string[]): Request<Lookup<unknown>[]> {
  return {
    method: 'POST',
    target: `${API}/batch/get`,
    body: JSON.stringify({ keys }),
    retry: 'always',
    read: (response) => itemsOf(response).map(lookupOf),
  };
}

type LeaseTime = { /** Seconds. */ lease?: number | undefined } & Tags;

export function leaseOne(key: string, { lease, tags }: LeaseTime): Request<LeaseLookup<unknown>> {
  return {
    method: 'POST',
    target: `${API}/lease`,
    body: JSON.stringify({ key, lease, tags }),
    retry: 'always',
    read: (response, isRepeated) => leaseLookupOf(readData(response), isRepeated),
  };
}

/** As `leaseOne`, for several keys. */
export function leaseBatch(
  keys: readonly string[],
  { lease, tags }: LeaseTime,
): Request<LeaseLookup<unknown>[]> {
  return {
    method: 'POST',
    target: `${API}/batch/get`,
    body: JSON.stringify({ keys, lease, tags }),
    retry: 'always',
    read: (response, isRepeated) => itemsOf(response).map((item) => leaseLookupOf(item, isRepeated)),
  };
}

export function release(key: string, token: string): Request<void> {
  const body = JSON.stringify({ key, lease: token });
  return { method: 'POST', target: `${API}/lease/release`, body, retry: 'always', read: readNothing };
}

/** @param entry JSON text @param lease its token. A set with a lease cannot undo an invalidation, however late it arrives */
export function setOne(entry: string, lease: string | undefined): Request<WasSet> {
  return {
    method: 'POST',
    target: API,
    body: entry,
    retry: lease === undefined ? 'if-not-received' : 'always',
    read: (response) => wasSet(readData(response)),
  };
}

/** An entry in a batch of sets. */
export interface EntryText {
  key: string;
  /** The whole entry as JSON text. */
  text: string;
  size: Size;
  /** Its token. */
  lease: string | undefined;
}

/** @param value JSON text */
export function entryOf(key: string, value: string, options: EntryOptions): EntryText {
  const text = entryText(key, value, options);
  return { key, text, size: sizeOf(text, entryText(key, '', options)), lease: options.lease };
}

export function setBatch(entries: readonly EntryText[]): Request<WasSet[]> {
  return {
    method: 'POST',
    target: `${API}/batch/set`,
    body: `{"items":[${entries.map(({ text }) => text).join(',')}]}`,
    retry: entries.every(({ lease }) => lease !== undefined) ? 'always' : 'if-not-received',
    read: (response) => itemsOf(response).map(wasSet),
  };
}

/** Reads whether the entry was live. */
export function touch(key: string, ttl: number): Request<boolean> {
  const body = JSON.stringify({ key, ttl });
  const read = (response: ServiceResponse) => readData(response).found === true;
  return { method: 'POST', target: `${API}/touch`, body, retry: 'if-not-received', read };
}

export function deleteOne(key: string): Request<void> {
  return { method: 'DELETE', target: targetOf(key), retry: 'always', read: readNothing };
}

export function deleteBatch(keys: readonly string[]): Request<number> {
  const body = JSON.stringify({ keys });
  return { method: 'POST', target: `${API}/batch/delete`, body, retry: 'always', read: countOf };
}

/** @param what a pattern or up to 16 tags */
export function invalidate(what: { pattern: string } | { tags: readonly string[] }): Request<number> {
  const body = JSON.stringify(what);
  return { method: 'POST', target: `${API}/invalidate`, body, retry: 'always', read: countOf };
}

/** A page of keys. `cursor`: for the next page; undefined if there are no more keys. */
export interface KeyPage {
  keys: ListedKey[];
  cursor: string | undefined;
}

export function listKeys(
  tenant: string,
  query: Pick<KeysOptions, 'pattern' | 'tag' | 'limit'> & { cursor: string | undefined },
): Request<KeyPage> {
  const read = (response: ServiceResponse): KeyPage => {
    const { keys, cursor } = readData(response);
    const listed = (keys as ListedKey[]).map((each) => ({ ...each, ttl: Number(each.ttl) }));
    return { keys: listed, cursor: (cursor as string | null) ?? undefined };
  };
  return {
    method: 'GET',
    target: `${tenantTarget(tenant)}/keys${queryOf({ ...query })}`,
    retry: 'always',
    read,
  };
}

export function clear(tenant: string): Request<void> {
  return { method: 'DELETE', target: tenantTarget(tenant), retry: 'always', read: readNothing };
}

export function usage(tenant: string): Request<Usage> {
  return {
    method: 'GET',
    target: tenantTarget(tenant),
    retry: 'always',
    read: (response) => {
      const read = readData(response) as unknown as Usage;
      return { ...read, entries: Number(read.entries), bytes: withNumbers(read.bytes) };
    },
  };
}

export const health: Request<Health> = {
  method: 'GET',
  target: '/health',
  retry: 'always',
  read: (response) => {
    const read = readHealth(response) as unknown as Health;
    const memory = read.memory && withNumbers(read.memory);
    return { ...read, latency_ms: Number(read.latency_ms), ...(memory && { memory }) };
  },
};

/**
 * The key is sent in the query. In a path, API Gateway decodes it before routing, and `fetch` resolves `.` and `..` even where they
 * are percent-encoded.
 *
 * @throws ValidationError as `queryOf`
 */
function targetOf(key: string): string {
  return `${API}${queryOf({ key })}`;
}

/** @throws ValidationError for half a surrogate pair, which has no percent-encoding */
function queryOf(parameters: Record<string, string | number | undefined>): string {
  const query = Object.entries(parameters).flatMap(([name, value]) => {
    if (value === undefined) return [];
    try {
      return [`${name}=${encodeURIComponent(value)}`];
    } catch (cause) {
      const issues = [{ field: name, message: 'must be well-formed Unicode' }];
      throw new ValidationError({ message: 'The request is not valid', details: { issues }, cause });
    }
  });
  return `?${query.join('&')}`;
}

function tenantTarget(tenant: string): string {
  return `${API}/tenant/${encodeURIComponent(tenant)}`;
}

type Members = Record<string, unknown>;

// A caller's own `parse` may return numbers as another type: `Number` converts them back.

function withNumbers<T extends object>(members: T): T {
  return Object.fromEntries(Object.entries(members).map(([name, value]) => [name, Number(value)])) as T;
}

function lookupOf({ key, found, value, ttl }: Members): Lookup<unknown> {
  const name = key as string;
  return found ? { found: true, key: name, value, ttl: Number(ttl) } : { found: false, key: name };
}

/**
 * @param isRepeated the response to an earlier attempt, which may have granted the lease, was lost. The lease that another caller
 * seems to have may then be this caller's own, for which it must not wait
 */
function leaseLookupOf(data: Members, isRepeated: boolean): LeaseLookup<unknown> {
  const { lease, retry_after_ms: retryAfterMs, stale } = data;
  const { token, ttl } = (lease ?? {}) as Members;
  return {
    ...lookupOf(data),
    ...(data.found === true && { stale }),
    ...(lease !== undefined && { lease: { token, ttl: Number(ttl) } }),
    ...(retryAfterMs !== undefined && !isRepeated && { retryAfterMs: Number(retryAfterMs) }),
  } as LeaseLookup<unknown>;
}

function wasSet({ key, ttl, status }: Members): WasSet {
  if (status === 'lease_lost') return { key: key as string, ttl: 0, leaseLost: true };
  return { key: key as string, ttl: Number(ttl) };
}

function itemsOf(response: ServiceResponse): Members[] {
  return readData(response).items as Members[];
}

function countOf(response: ServiceResponse): number {
  return Number(readData(response).count);
}
