import assert from 'node:assert/strict';
import type { Refusal } from './judge.ts';
import { echoedIdentifier, isMisspelled } from './rules.ts';

/** A response as received. */
export interface HttpResponse {
  status: number;
  /** Names are in lower case. Values of a repeated header are joined by `, `. */
  headers: Readonly<Record<string, string>>;
  body: string;
  /** Time from the first byte of the request to the last byte of the response, in milliseconds. */
  ms: number;
}

/** The data of a success, the refusal of an error, or `'empty'` for a response without a body. */
export type Content =
  | { data: Record<string, unknown> }
  | { refusal: Refusal; details: Record<string, unknown> }
  | 'empty';

/** Every combination of status and error code in the contract. */
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
  // Sent by the gateway itself: the request took too long, or its head is too long.
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

/** Details that an error must not reveal: stack traces, modules, files, hosts, store commands and store keys. */
const INTERNALS = [
  /\.[cm]?[jt]s\b|node[:_]|\bat \S+ \(|\[object|\bundefined\b|\b[A-Z]\w*(?:Error|Exception)\b/,
  /middy|valibot|ioredis|redis|valkey|EVALSHA|MGET|\{cache:/i,
  /127\.0\.0\.1|localhost|::1|ECONN|\/(?:home|opt|root|tmp|usr|var)\b/,
];

/** The fields that an issue may refer to. */
const FIELD =
  /^(?:key|value|ttl|grace|lease|pattern|tenant_id|body|keys|items|tag|limit|cursor|(?:items\.\d+\.)?tags(?:\.\d+)?|(?:keys|items)\.\d+(?:\.(?:key|value|ttl|grace|lease))?|X-Tenant-ID|Host|headers|path|request|\S+:\S+)$/;

/** Members and query parameters. An issue quotes a misspelling of one of them as it was sent. */
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

/**
 * Checks what must hold for every response, and parses its body.
 *
 * @param sent the request's headers; undefined if the request may be unreadable
 * @param open whether the endpoint needs no tenant and returns its body without an envelope
 */
export function parseContent(
  response: HttpResponse,
  sent: ReadonlyMap<string, string> | undefined,
  open = false,
): Content {
  if (response.status === 302) {
    assert.deepEqual([response.headers.location, response.body], ['/docs', '']);
    return 'empty';
  }
  checkHeaders(response, sent);
  if (response.status === 204) {
    assert.equal(response.body, '');
    assert.equal(response.headers['content-type'], undefined);
    return 'empty';
  }
  assert.equal(response.headers['content-type'], 'application/json');
  const body = JSON.parse(response.body);
  if (open) return { data: body };
  const { success, data, error, message, metadata, correlation_id, request_id, timestamp, ...rest } = body;
  assert.deepEqual(rest, {});
  assert.equal(correlation_id, response.headers['x-correlation-id']);
  assert.equal(request_id, response.headers['x-request-id']);
  assert.match(timestamp, UTC);
  if (success === true) {
    assert.ok(
      response.status === 200 || response.status === 201,
      `${response.status} is not a success status`,
    );
    assert.ok(message === null || typeof message === 'string');
    assert.deepEqual(metadata, {});
    assert.equal(error, undefined);
    return { data };
  }
  assert.equal(success, false);
  assert.deepEqual([data, message, metadata], [undefined, undefined, undefined]);
  return { refusal: refusalOf(response, error), details: error.details };
}

function refusalOf({ status, headers }: HttpResponse, error: Record<string, unknown>): Refusal {
  const { code, message, details, ...more } = error;
  assert.deepEqual(more, {});
  const refusal: Refusal = `${status} ${code}`;
  assert.ok(FAILURES.includes(refusal), `${refusal} is not in the contract`);
  assert.ok(typeof message === 'string' && message !== '');
  assert.equal(headers['retry-after'], status === 503 ? '1' : undefined);
  assert.equal('allow' in headers, status === 405);
  const text = JSON.stringify(error);
  for (const internal of INTERNALS) assert.doesNotMatch(text, internal);
  assert.ok(!text.includes(process.cwd()), text);
  const { issues = [] } = details as { issues?: { field: string; message: string }[] };
  if (code === 'VALIDATION_ERROR') assert.ok(issues.length > 0, 'the response contains no issues');
  for (const issue of issues) {
    assert.deepEqual(Object.keys(issue).sort(), ['field', 'message']);
    const name = issue.field.replace(/^items\.\d+\./, '');
    assert.ok(
      FIELD.test(issue.field) || MEMBERS.some((known) => isMisspelled(name, [known])),
      `${issue.field} is not a known field`,
    );
    assert.match(issue.message, /./);
  }
  return refusal;
}

function checkHeaders(
  { status, headers }: HttpResponse,
  sent: ReadonlyMap<string, string> | undefined,
): void {
  for (const name of Object.keys(headers)) assert.ok(HEADERS.includes(name), `unexpected header ${name}`);
  assert.equal(headers['cache-control'], 'no-store');
  for (const name of ['x-correlation-id', 'x-request-id']) {
    const echoed = headers[name] ?? '';
    const expected = sent && echoedIdentifier(sent.get(name));
    if (expected !== undefined) assert.equal(echoed, expected);
    else if (sent) assert.match(echoed, UUID_V4);
    else assert.equal(echoedIdentifier(echoed), echoed);
  }
  const coding = headers['content-encoding'];
  if (coding !== undefined && sent) assert.ok(sent.get('accept-encoding')?.includes(coding));
  if (headers['content-length'] === undefined) assert.equal(status, 204);
}
