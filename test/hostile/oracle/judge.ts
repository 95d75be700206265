import { isUtf8 } from 'node:buffer';
import type { Write } from '../../support/model.ts';
import { inspectJson, partsOf, textsOf } from './json-text.ts';
import { decodePercent, type ParsedRequest } from './request.ts';
import { type HasRoute, methodsAt, type Routed, routeOf, TENANTLESS } from './routes.ts';
import {
  graceOf,
  isBatch,
  isJsonType,
  isKey,
  isMisspelled,
  isPattern,
  isPlain,
  isTag,
  isTenant,
  isToken,
  isUtf8Type,
  type Limits,
  leaseTimeOf,
  pageSizeOf,
  tagsOf,
  ttlOf,
} from './rules.ts';

/** Status and error code of an error response. */
export type Refusal = `${number} ${string}`;

export const INVALID = '400 VALIDATION_ERROR';
export const NO_TENANT = '401 MISSING_TENANT_ID';
export const FOREIGN = '403 TENANT_MISMATCH';
export const NO_ROUTE = '404 NOT_FOUND';
export const NO_METHOD = '405 METHOD_NOT_ALLOWED';
export const LEASE_LOST = '409 LEASE_LOST';
export const TOO_LARGE = '413 PAYLOAD_TOO_LARGE';
export const NOT_JSON = '415 UNSUPPORTED_MEDIA_TYPE';

/** The operation that a valid request requests. */
export type Operation =
  | { kind: 'docs' | 'health' | 'openapi' }
  | { kind: 'get' | 'delete' | 'batch get' | 'batch delete'; tenant: string; keys: string[] }
  | { kind: 'set' | 'batch set'; tenant: string; writes: Write[] }
  | { kind: 'touch'; tenant: string; key: string; ttl: number }
  | { kind: 'lease' | 'batch lease'; tenant: string; keys: string[]; seconds: number; tags: string[] }
  | { kind: 'release'; tenant: string; key: string; token: string }
  | { kind: 'invalidate'; tenant: string; pattern: string }
  | { kind: 'invalidate tags'; tenant: string; tags: string[] }
  | { kind: 'keys'; tenant: string; pattern: string; tag: string | undefined; limit: number }
  | { kind: 'clear' | 'usage'; tenant: string };

export interface Verdict {
  /** Every error that applies to the request. The service must return one of them. Empty for a valid request. */
  refusals: Refusal[];
  /** Errors that the contract allows but does not require: the service may return one or execute the operation. */
  tolerated: Refusal[];
  /** Present if `refusals` is empty. */
  operation?: Operation;
  /** Expected `Allow` header if the method is not allowed. */
  allow?: string;
}

export interface Rules {
  limits: Limits;
  hasRoute: HasRoute;
  /** Whether `/` redirects to the documentation page. */
  docs?: boolean;
}

/** The service may reject a body that is longer, not counting a set's value, or nested deeper. */
const BODY_BYTES = 64 * 1024;
const BODY_DEPTH = 500;

/** Returns the responses that the contract allows for a request. */
export function judge(request: ParsedRequest, rules: Rules): Verdict {
  if (request.path === undefined) return { refusals: [INVALID], tolerated: [] };
  const route = routeOf(request.method, request.path, rules.hasRoute);
  if (!route) return judgeUnrouted(request.method, request.path, rules);
  if (TENANTLESS.includes(route.name)) {
    return { refusals: [], tolerated: [], operation: { kind: route.name as 'health' } };
  }
  const { tenant, refusals } = tenantOf(request);
  const asked =
    request.method === 'POST' ? readBody(request, route, rules, tenant) : readTarget(request, route, tenant);
  refusals.push(...asked.refusals);
  const { operation, tolerated } = asked;
  return refusals.length > 0 || !operation ? { refusals, tolerated } : { refusals, tolerated, operation };
}

function judgeUnrouted(method: string, path: string, { hasRoute, docs }: Rules): Verdict {
  if (docs && path === '/' && (method === 'GET' || method === 'HEAD')) {
    return { refusals: [], tolerated: [], operation: { kind: 'docs' } };
  }
  const allowed = methodsAt(path, hasRoute);
  if (allowed.length === 0) return { refusals: [NO_ROUTE], tolerated: [] };
  return { refusals: [NO_METHOD], tolerated: [], allow: allowed.join(', ') };
}

/** Returns the request's tenant. It comes from the claim if there is one, otherwise from the header. Both must agree. */
function tenantOf({ headers, claim }: ParsedRequest): { tenant: string; refusals: Refusal[] } {
  const header = headers.get('x-tenant-id') ?? '';
  const named = claim ? claim.tenant : header;
  if (typeof named !== 'string' || named === '') return { tenant: '', refusals: [NO_TENANT] };
  const refusals: Refusal[] = [];
  if (header !== '' && header !== named) refusals.push(FOREIGN);
  if (!isTenant(named)) refusals.push(INVALID);
  return { tenant: named, refusals };
}

function readTarget({ query }: ParsedRequest, { name, parameter }: Routed, tenant: string): Verdict {
  if (name === 'clear' || name === 'usage') {
    return verdict(parameter === tenant ? [] : [FOREIGN], { kind: name, tenant });
  }
  if (name === 'keys') return readListRequest(query, parameter, tenant);
  const key = parameter ?? parameterOf(query, 'key');
  const keys = isKey(key) ? [key] : [];
  const misspelled = query.split('&').some((pair) => isMisspelled(pair.split('=')[0] ?? '', ['key']));
  const refusals: Refusal[] = keys.length > 0 && !misspelled ? [] : [INVALID];
  return verdict(refusals, { kind: name as 'get', tenant, keys });
}

/** Reads the parameters of a list request. Every cursor is invalid, because generated cursors were never issued. */
function readListRequest(query: string, parameter: string | undefined, tenant: string): Verdict {
  const names = ['pattern', 'tag', 'limit', 'cursor'];
  const given = (name: string) => query.split('&').some((pair) => pair.split('=')[0] === name);
  const refusals: Refusal[] = parameter === tenant ? [] : [FOREIGN];
  if (query.split('&').some((pair) => isMisspelled(pair.split('=')[0] ?? '', names))) refusals.push(INVALID);
  const [pattern, tag] = [parameterOf(query, 'pattern'), parameterOf(query, 'tag')];
  if ((given('pattern') && !isPattern(pattern)) || (given('tag') && !isTag(tag))) refusals.push(INVALID);
  const limit = given('limit') ? pageSizeOf(parameterOf(query, 'limit') ?? '') : 100;
  if (limit === undefined || given('cursor')) refusals.push(INVALID);
  return verdict(refusals, { kind: 'keys', tenant, pattern: pattern ?? '*', tag, limit: limit ?? 0 });
}

/** Returns the decoded value of a query parameter; undefined if it is absent, repeated or not decodable. */
function parameterOf(query: string, name: string): string | undefined {
  const [given, second] = query.split('&').filter((pair) => pair.split('=')[0] === name);
  if (given === undefined || second !== undefined) return undefined;
  return decodePercent(given.slice(name.length + 1).replaceAll('+', ' '));
}

function readBody(request: ParsedRequest, route: Routed, { limits }: Rules, tenant: string): Verdict {
  const { headers, body } = request;
  const type = headers.get('content-type');
  const isSupported = isJsonType(type) && isUtf8Type(type) && isPlain(headers.get('content-encoding'));
  const refusals: Refusal[] = isSupported ? [] : [NOT_JSON];
  // One leading byte order mark is ignored.
  const text = body && isUtf8(body) ? body.toString().replace(/^\ufeff/, '') : undefined;
  const parsed = parse(text);
  if (text === undefined || typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) {
    refusals.push(INVALID);
    // The service may report an oversized value before it finds that the body is not valid JSON.
    if ((body?.length ?? 0) > Math.min(limits.maxValueBytes, BODY_BYTES)) refusals.push(TOO_LARGE);
    return { refusals, tolerated: [] };
  }
  const { operation, ...asked } = readMembers(route, parsed as Record<string, unknown>, text, limits, tenant);
  return verdict([...refusals, ...asked.refusals], operation as Operation, asked.tolerated);
}

function readMembers(
  { name }: Routed,
  body: Record<string, unknown>,
  text: string,
  limits: Limits,
  tenant: string,
): Verdict {
  if (name === 'invalidate') {
    const { pattern = null, tags, tenant_id = null, ...unknownMembers } = body;
    const refusals: Refusal[] = [];
    const isNarrowed = Object.hasOwn(body, 'pattern') || Object.hasOwn(body, 'tags');
    // An unknown member may be a misspelled `pattern`, and without a pattern all entries would be invalidated.
    if (!isNarrowed && Object.keys(unknownMembers).length > 0) refusals.push(INVALID);
    if (hasMisspelled(body, ['pattern', 'tags', 'tenant_id'])) refusals.push(INVALID);
    if (pattern !== null && !isPattern(pattern)) refusals.push(INVALID);
    const listed = tagsOf(tags);
    if (tags !== undefined && (!listed || listed.length === 0 || pattern !== null)) refusals.push(INVALID);
    if (tenant_id !== null && typeof tenant_id !== 'string') refusals.push(INVALID);
    else if (tenant_id !== null && tenant_id !== tenant) refusals.push(FOREIGN);
    const operation: Operation =
      tags === undefined
        ? { kind: 'invalidate', tenant, pattern: (pattern ?? '*') as string }
        : { kind: 'invalidate tags', tenant, tags: listed ?? [] };
    return verdict(refusals, operation, toleratedRefusals(text));
  }
  if (name === 'touch') {
    const ttl = body.ttl == null ? undefined : ttlOf(body.ttl, limits);
    const isValid = isKey(body.key) && ttl !== undefined && !hasMisspelled(body, ['key', 'ttl']);
    const operation: Operation = { kind: 'touch', tenant, key: body.key as string, ttl: ttl ?? 0 };
    return verdict(isValid ? [] : [INVALID], operation, toleratedRefusals(text));
  }
  if (name === 'lease') {
    const seconds = leaseTimeOf(body.lease);
    const tags = tagsOf(body.tags);
    const isSpelled = !hasMisspelled(body, ['key', 'lease', 'tags']);
    const isValid = isKey(body.key) && seconds !== undefined && tags !== undefined && isSpelled;
    const keys = [body.key as string];
    const operation: Operation = { kind: 'lease', tenant, keys, seconds: seconds ?? 0, tags: tags ?? [] };
    return verdict(isValid ? [] : [INVALID], operation, toleratedRefusals(text));
  }
  if (name === 'release') {
    const isValid = isKey(body.key) && isToken(body.lease) && !hasMisspelled(body, ['key', 'lease']);
    const token = body.lease as string;
    const operation: Operation = { kind: 'release', tenant, key: body.key as string, token };
    return verdict(isValid ? [] : [INVALID], operation, toleratedRefusals(text));
  }
  if (name === 'set') return readSet(text, limits, tenant);
  if (name === 'batch set') return readSets(text, isBatch(body.items), limits, tenant);
  const keys = isBatch(body.keys) ? body.keys : [];
  const valid = keys.filter(isKey);
  const isGet = name === 'batch get';
  const seconds = isGet ? leaseTimeOf(body.lease) : 0;
  const tags = isGet ? tagsOf(body.tags) : [];
  const isSpelled = !hasMisspelled(body, isGet ? ['keys', 'lease', 'tags'] : ['keys']);
  const isValid = keys.length > 0 && valid.length === keys.length && seconds !== undefined && isSpelled;
  const refusals: Refusal[] = isValid && tags ? [] : [INVALID];
  if (isGet && body.lease != null) {
    const terms = { seconds: seconds ?? 0, tags: tags ?? [] };
    const operation: Operation = { kind: 'batch lease', tenant, keys: valid, ...terms };
    return verdict(refusals, operation, toleratedRefusals(text));
  }
  return verdict(refusals, { kind: name as 'batch get', tenant, keys: valid }, toleratedRefusals(text));
}

/** Reads the entries of a batch. If `items` is repeated, the last one counts. */
function readSets(text: string, isList: boolean, limits: Limits, tenant: string): Verdict {
  const lists = textsOf(partsOf(text), 'items').map((list) =>
    list.startsWith('[') ? partsOf(list).map((item) => readSet(item.text, limits, tenant)) : [],
  );
  const sets = (isList && lists.at(-1)) || [];
  const writes = sets.flatMap(({ operation }) => (operation as { writes?: Write[] })?.writes ?? []);
  const refusals = sets.length > 0 ? sets.flatMap((set) => set.refusals) : [INVALID as Refusal];
  if (hasMisspelled(JSON.parse(text), ['items'])) refusals.push(INVALID);
  const tolerated = [...lists.flat().flatMap((set) => set.tolerated), ...toleratedRefusals(text)];
  return verdict(refusals, { kind: 'batch set', tenant, writes }, tolerated);
}

/** Reads one entry to set from the JSON text of a body or of an item. */
function readSet(text: string, limits: Limits, tenant: string): Verdict {
  const given = JSON.parse(text);
  if (typeof given !== 'object' || given === null || Array.isArray(given))
    return verdict([INVALID], undefined);
  const parts = partsOf(text);
  const values = textsOf(parts, 'value');
  const value = values.at(-1);
  const ttl = ttlOf(given.ttl, limits);
  const refusals: Refusal[] = [];
  if (!isKey(given.key) || ttl === undefined || value === undefined) refusals.push(INVALID);
  const grace = graceOf(given.grace, ttl ?? 0, limits);
  const lease = given.lease ?? undefined;
  if (grace === undefined || (lease !== undefined && !isToken(lease))) refusals.push(INVALID);
  const tags = tagsOf(given.tags);
  if (!tags || hasMisspelled(given, ['key', 'value', 'ttl', 'grace', 'lease', 'tags']))
    refusals.push(INVALID);
  const tooLarge = (json: string | undefined) => Buffer.byteLength(json ?? '') > limits.maxValueBytes;
  if (tooLarge(value)) refusals.push(TOO_LARGE);
  const rest = parts
    .filter(({ name }) => name !== 'value')
    .map((part) => `${JSON.stringify(part.name)}:${part.text}`);
  const tolerated = toleratedRefusals(`{${rest.join(',')}}`);
  // If `value` is repeated, the last one counts, but the service may apply the size limit to any of them.
  if (values.some(tooLarge)) tolerated.push(TOO_LARGE);
  return verdict(
    refusals,
    {
      kind: 'set',
      tenant,
      writes: [{ key: given.key, value: value ?? '', ttl: ttl ?? 0, grace: grace ?? 0, lease, tags }],
    },
    tolerated,
  );
}

function hasMisspelled(body: object, known: readonly string[]): boolean {
  return Object.keys(body).some((name) => isMisspelled(name, known));
}

/** Returns the errors that the service may report for valid JSON because of its size, depth or member names. */
function toleratedRefusals(json: string): Refusal[] {
  const objections: Refusal[] = [];
  const { depth, pollutes } = inspectJson(json);
  if (pollutes || depth > BODY_DEPTH) objections.push(INVALID);
  if (Buffer.byteLength(json) > BODY_BYTES) objections.push(TOO_LARGE);
  return objections;
}

function verdict(refusals: Refusal[], operation: Operation | undefined, tolerated: Refusal[] = []): Verdict {
  return refusals.length > 0 || !operation ? { refusals, tolerated } : { refusals, tolerated, operation };
}

function parse(text: string | undefined): unknown {
  try {
    return JSON.parse(text ?? '');
  } catch {
    return undefined;
  }
}
