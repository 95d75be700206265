import assert from 'node:assert/strict';
import type { Refusal } from './judge.ts';
import { echoed, isMisspelled } from './rules.ts';

/** An answer as it came. */
export interface Answer {
  status: number;
  /** Names in lower case; one that came twice is joined by `, `. */
  headers: Readonly<Record<string, string>>;
  body: string;
  /** From the request's first byte to the answer's last, in milliseconds. */
  ms: number;
}

/** What a success says, or why there was none. */
export type Told =
  | { data: Record<string, unknown> }
  | { refusal: Refusal; details: Record<string, unknown> }
  | 'nothing';

/** Every status with its code that an answer may have, beside a success. */
const FAILURES: readonly string[] = [
  '400 VALIDATION_ERROR',
  '401 MISSING_TENANT_ID',
  '403 TENANT_MISMATCH',
  '404 NOT_FOUND',
  '405 METHOD_NOT_ALLOWED',
  '409 LEASE_LOST',
  '413 PAYLOAD_TOO_LARGE',
  '415 UNSUPPORTED_MEDIA_TYPE',
  '500 INTERNAL_SERVER_ERROR',
  '503 BACKEND_UNAVAILABLE',
  '503 INVALIDATION_INCOMPLETE',
  // The gateway's own: too slow, and too long a head.
  '408 VALIDATION_ERROR',
  '431 VALIDATION_ERROR',
];

const HEADERS: readonly string[] = [
  'allow',
  'content-type',
  'content-length',
  'content-encoding',
  'vary',
  'x-correlation-id',
  'x-request-id',
  'cache-control',
  'retry-after',
  'date',
  'connection',
  'keep-alive',
];

const UUID_V4 = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const UTC = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z$/;

/** What a failure must not give away: stacks, modules, files, hosts, ports, commands and keys of the store. */
const INTERNALS = [
  /\.[cm]?[jt]s\b|node[:_]|\bat \S+ \(|\[object|\bundefined\b|\b[A-Z]\w*(?:Error|Exception)\b/,
  /middy|valibot|ioredis|redis|valkey|EVALSHA|MGET|\{cache:/i,
  /127\.0\.0\.1|localhost|::1|ECONN|\/(?:home|opt|root|tmp|usr|var)\b/,
];

/** The fields that an issue may name. */
const FIELD =
  /^(?:key|value|ttl|grace|lease|pattern|tenant_id|body|keys|items|tag|limit|cursor|(?:items\.\d+\.)?tags(?:\.\d+)?|(?:keys|items)\.\d+(?:\.(?:key|value|ttl|grace|lease))?|X-Tenant-ID|Host|headers|path|request|\S+:\S+)$/;

/** Members and query parameters: a misspelling of one of them is named as it was sent. */
const MEMBERS = [
  'key',
  'value',
  'ttl',
  'grace',
  'lease',
  'tags',
  'pattern',
  'tenant_id',
  'keys',
  'items',
  'tag',
  'limit',
  'cursor',
];

/** Checks what holds for every answer, and takes it apart. `sent` are the request's headers, where it could be read. */
export function read(answer: Answer, sent: ReadonlyMap<string, string> | undefined, open = false): Told {
  if (answer.status === 302) {
    assert.deepEqual([answer.headers.location, answer.body], ['/docs', '']);
    return 'nothing';
  }
  checkHeaders(answer, sent);
  if (answer.status === 204) {
    assert.equal(answer.body, '');
    assert.equal(answer.headers['content-type'], undefined);
    return 'nothing';
  }
  assert.equal(answer.headers['content-type'], 'application/json');
  const body = JSON.parse(answer.body);
  if (open) return { data: body };
  const { success, data, error, message, metadata, correlation_id, request_id, timestamp, ...rest } = body;
  assert.deepEqual(rest, {});
  assert.equal(correlation_id, answer.headers['x-correlation-id']);
  assert.equal(request_id, answer.headers['x-request-id']);
  assert.match(timestamp, UTC);
  if (success === true) {
    assert.ok(answer.status === 200 || answer.status === 201, `${answer.status} is no success`);
    assert.ok(message === null || typeof message === 'string');
    assert.deepEqual(metadata, {});
    assert.equal(error, undefined);
    return { data };
  }
  assert.equal(success, false);
  assert.deepEqual([data, message, metadata], [undefined, undefined, undefined]);
  return { refusal: refusalOf(answer, error), details: error.details };
}

function refusalOf({ status, headers }: Answer, error: Record<string, unknown>): Refusal {
  const { code, message, details, ...more } = error;
  assert.deepEqual(more, {});
  const refusal: Refusal = `${status} ${code}`;
  assert.ok(FAILURES.includes(refusal), `${refusal} is none of the contract's`);
  assert.ok(typeof message === 'string' && message !== '');
  assert.equal(headers['retry-after'], status === 503 ? '1' : undefined);
  assert.equal('allow' in headers, status === 405);
  const text = JSON.stringify(error);
  for (const internal of INTERNALS) assert.doesNotMatch(text, internal);
  assert.ok(!text.includes(process.cwd()), text);
  const { issues = [] } = details as { issues?: { field: string; message: string }[] };
  if (code === 'VALIDATION_ERROR') assert.ok(issues.length > 0, 'no issue is named');
  for (const issue of issues) {
    assert.deepEqual(Object.keys(issue).sort(), ['field', 'message']);
    const name = issue.field.replace(/^items\.\d+\./, '');
    assert.ok(
      FIELD.test(issue.field) || MEMBERS.some((known) => isMisspelled(name, [known])),
      `${issue.field} is no field`,
    );
    assert.match(issue.message, /./);
  }
  return refusal;
}

function checkHeaders({ status, headers }: Answer, sent: ReadonlyMap<string, string> | undefined): void {
  for (const name of Object.keys(headers)) assert.ok(HEADERS.includes(name), `there is a header ${name}`);
  assert.equal(headers['cache-control'], 'no-store');
  for (const name of ['x-correlation-id', 'x-request-id']) {
    const told = headers[name] ?? '';
    const expected = sent && echoed(sent.get(name));
    if (expected !== undefined) assert.equal(told, expected);
    else if (sent) assert.match(told, UUID_V4);
    else assert.equal(echoed(told), told);
  }
  const coding = headers['content-encoding'];
  if (coding !== undefined && sent) assert.ok(sent.get('accept-encoding')?.includes(coding));
  if (headers['content-length'] === undefined) assert.equal(status, 204);
}
