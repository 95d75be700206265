import { describe, expect, test } from 'vitest';
import type { RawResponse } from '../http/gateway-raw.ts';
import { requireDescribed } from './conformity.ts';

const HEADERS = {
  'content-type': 'application/json',
  'x-correlation-id': 'c',
  'x-request-id': '7',
  'cache-control': 'no-store',
  'content-length': '1',
};
const AGAIN = { 'retry-after': '1' };
const DELETED = {
  success: true,
  data: { count: 1 },
  message: null,
  correlation_id: 'c',
  request_id: '7',
  timestamp: '2026-11-22T10:43:00.925Z',
  metadata: {},
};

function answer(status: number, body: unknown, headers: Record<string, string> = {}): RawResponse {
  const text = body === undefined ? '' : JSON.stringify(body);
  const all = Object.entries({ ...HEADERS, ...headers }).filter(([, value]) => value !== '');
  return {
    status,
    headers: Object.fromEntries(all),
    rawHeaders: all.flat(),
    body: Buffer.from(text),
    text,
    json: () => JSON.parse(text),
  };
}

const request = { method: 'POST', target: '/api/v1/cache/batch/delete' };

describe('the conformity check', () => {
  test('accepts responses that conform to the document', () => {
    requireDescribed(request, answer(200, DELETED));
    requireDescribed(request, answer(503, failure('BACKEND_UNAVAILABLE'), AGAIN));
    requireDescribed({ target: '/api/v1/cache/a%2Fb' }, answer(404, failure('NOT_FOUND')));
    requireDescribed(
      { method: 'DELETE', target: '/api/v1/cache/k' },
      answer(204, undefined, { 'content-type': '' }),
    );
  });

  test.each<[string, RawResponse]>([
    ['a status that is not described', answer(201, DELETED)],
    ['a status that is described for other operations only', answer(403, failure('TENANT_MISMATCH'))],
    [
      'an error code that is described for other operations only',
      answer(503, failure('INVALIDATION_INCOMPLETE'), AGAIN),
    ],
    ['an additional member', answer(200, { ...DELETED, more: 1 })],
    ['an additional member inside the data', answer(200, { ...DELETED, data: { count: 1, more: 1 } })],
    ['a member of the wrong type', answer(200, { ...DELETED, data: { count: '1' } })],
    ['a missing member', answer(200, { ...DELETED, timestamp: undefined })],
    ['a malformed timestamp', answer(200, { ...DELETED, timestamp: 'now' })],
    ['no body', answer(200, undefined)],
    ['the wrong Content-Type', answer(200, DELETED, { 'content-type': 'text/plain' })],
    ['a missing header', answer(200, DELETED, { 'x-request-id': '' })],
    ['an additional header', answer(200, DELETED, { 'x-powered-by': 'us' })],
    ['a header with the wrong value', answer(200, DELETED, { 'cache-control': 'public' })],
    ['an error code of another status', answer(400, failure('MISSING_TENANT_ID'))],
    ['a 503 without its Retry-After header', answer(503, failure('BACKEND_UNAVAILABLE'))],
  ])('rejects a response with %s', (_, given) => {
    expect(() => requireDescribed(request, given)).toThrow(/deleteBatch|Unexpected end/);
  });

  const key = 'k';
  const lease = { token: '8Q2nTzV5bYd', ttl: 30 };
  const fresh = { key, value: 1, found: true, ttl: 1, stale: false };
  const stale = { ...fresh, ttl: 0, stale: true };
  const miss = { key, found: false };
  const leaseRequest = { method: 'POST', target: '/api/v1/cache/lease' };

  test.each([
    [fresh],
    [stale],
    [{ ...stale, lease }],
    [miss],
    [{ ...miss, lease }],
    [{ ...miss, retry_after_ms: 1 }],
  ])('accepts the state of a lease request %j', (data) => {
    requireDescribed(leaseRequest, answer(200, { ...DELETED, data }));
  });

  test.each([
    [{ ...fresh, lease }],
    [{ ...fresh, ttl: 0 }],
    [{ ...fresh, stale: true }],
    [{ ...stale, ttl: 1 }],
    [{ ...stale, stale: undefined }],
    [{ ...stale, retry_after_ms: 1 }],
    [{ ...miss, stale: false }],
    [{ ...miss, value: 1 }],
    [{ ...miss, retry_after_ms: 0 }],
    [{ ...miss, lease: lease.token }],
    [{ ...miss, lease: { ...lease, token: 'short' } }],
    [{ ...miss, lease: { ...lease, ttl: 301 } }],
  ])('rejects the state of a lease request %j', (data) => {
    expect(() => requireDescribed(leaseRequest, answer(200, { ...DELETED, data }))).toThrow(/leaseEntry/);
  });

  test('rejects a response with a body if none is described', () => {
    const deleted = { method: 'DELETE', target: '/api/v1/cache?key=k' };
    expect(() => requireDescribed(deleted, answer(204, {}))).toThrow('without a body');
  });
});

function failure(code: string): unknown {
  const { data, message, metadata, ...rest } = DELETED;
  return { ...rest, success: false, error: { code, message: 'No', details: {} } };
}
