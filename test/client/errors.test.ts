import { inspect } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import * as errors from '../../lib/client/index.ts';
import { CacheClient, type CacheError } from '../../lib/client/index.ts';
import * as answered from '../../lib/errors.ts';
import { failureResponse as envelope } from '../../lib/http/response.ts';
import { type Service, startService } from '../http/service.ts';
import { freePort, LOOPBACK } from '../support/engines/ports.ts';
import { IMPATIENT } from '../support/patience.ts';
import { failure, type Reply, script, success } from './scripted.ts';

/** What a call rejects with; whatever comes of one that does not. */
const failed = (call: Promise<unknown>) => call.catch((error: CacheError) => error) as Promise<CacheError>;
const clientOf = (server: { url: string }) => new CacheClient({ url: server.url, tenant: 't', retries: 0 });

/** One of each that the service has, with all that can be in it. */
const ofTheService = [
  new answered.ValidationError([{ field: 'key', message: 'must not be empty' }]),
  new answered.MissingTenantError(),
  new answered.TenantMismatchError(),
  new answered.NotFoundError(),
  new answered.MethodNotAllowedError(['GET']),
  new answered.LeaseLostError(),
  new answered.PayloadTooLargeError('batch', 100, { fitting: 7 }),
  new answered.UnsupportedMediaTypeError(),
  new answered.TenantRateLimitedError(250),
  new answered.InternalError(new Error('a fault')),
  new answered.BackendUnavailableError(),
  new answered.InvalidationIncompleteError(12),
];

describe('every failure of the service', () => {
  test('is covered by these tests', () => {
    const classes = Object.keys(answered).filter((name) => name.endsWith('Error') && name !== 'ServiceError');
    expect(ofTheService.map(({ name }) => name).sort()).toEqual(classes.sort());
  });

  test.each(ofTheService.map((error) => [error.name, error] as const))(
    'is a class: %s',
    async (name, theirs) => {
      const ids = { correlationId: 'chain-1', requestId: 'request-1' };
      const { statusCode: status, headers, body } = envelope(theirs, ids);
      const server = await script({ status, headers, body });
      const error = await failed(clientOf(server).get('k'));
      expect(error).toBeInstanceOf(new Map<string, unknown>(Object.entries(errors)).get(name));
      expect(error).toBeInstanceOf(errors.CacheError);
      const { code, message, details } = theirs;
      const retryAfterMs = new Map([
        [429, 250],
        [503, 1000],
      ]).get(theirs.status);
      expect({ ...error, message: error.message }).toEqual({
        name,
        code,
        status,
        message: expect.stringContaining(message),
        details,
        retryAfterMs,
        ...ids,
      });
    },
  );

  test('has getters for its details', async () => {
    const [invalid, , , , , , tooLarge, , , , , incomplete] = await Promise.all(
      ofTheService.map(async (theirs) => {
        const {
          statusCode: status,
          headers,
          body,
        } = envelope(theirs, { correlationId: 'c', requestId: 'r' });
        return failed(clientOf(await script({ status, headers, body })).get('k'));
      }),
    );
    expect(invalid).toMatchObject({ issues: [{ field: 'key', message: 'must not be empty' }] });
    expect(tooLarge).toMatchObject({ maxBytes: 100, fitting: 7 });
    expect(incomplete).toMatchObject({ count: 12 });
  });

  test('with a code that the client does not know is a CacheError with this code', async () => {
    const error = await failed(clientOf(await script(failure(418, 'TEAPOT', { short: true }))).get('k'));
    expect(error.constructor).toBe(errors.CacheError);
    expect(error).toMatchObject({ code: 'TEAPOT', status: 418, details: { short: true }, requestId: 'r' });
  });
});

describe('a running service', () => {
  let service: Service;
  beforeAll(async () => {
    service = await startService({ MAX_VALUE_BYTES: '100' });
  });
  afterAll(() => service.stop());

  test.each<[string, (cache: CacheClient) => Promise<unknown>, object]>([
    ['a key', (cache) => cache.get(''), { code: 'VALIDATION_ERROR', issues: [{ field: 'key' }] }],
    ['a time', (cache) => cache.set('k', 1, { ttl: 0 }), { issues: [{ field: 'ttl' }] }],
    ['a key of many', (cache) => cache.getMany(['a', '']), { issues: [{ field: 'keys.1' }] }],
    ['a pattern', (cache) => cache.invalidate(''), { issues: [{ field: 'pattern' }] }],
    ['half a pair', (cache) => cache.get('\ud800'), { code: 'VALIDATION_ERROR', issues: [{ field: 'key' }] }],
    ['half a pair', (cache) => cache.set('\ud800', 1), { status: 400, issues: [{ field: 'key' }] }],
    ['no tenant', (cache) => cache.forTenant('').get('k'), { code: 'MISSING_TENANT_ID', status: 401 }],
    ['a tenant', (cache) => cache.forTenant('*').get('k'), { issues: [{ field: 'X-Tenant-ID' }] }],
    ['a value', (cache) => cache.set('k', 'x'.repeat(99)), { code: 'PAYLOAD_TOO_LARGE', maxBytes: 100 }],
  ])('answers %s with the failure that it is', async (_, call, expected) => {
    expect(await failed(call(clientOf(service)))).toMatchObject(expected);
  });

  test('reports a wrong path in url as a NotFoundError', async () => {
    const error = await failed(clientOf({ url: `${service.url}/elsewhere/` }).get('k'));
    expect(error).toMatchObject({ name: 'NotFoundError', status: 404 });
  });
});

describe('a service whose backend is down', () => {
  test('is a BackendUnavailableError', async () => {
    const service = await startService({
      ...IMPATIENT,
      DRAGONFLY_URL: `redis://${LOOPBACK}:${await freePort()}`,
    });
    const error = await failed(clientOf(service).get('k'));
    await service.stop();
    expect(error).toMatchObject({ name: 'BackendUnavailableError', status: 503, retryAfterMs: 1000 });
  });
});

describe('a response that is not the service\u2019s own', () => {
  const html = { 'content-type': 'text/html' };
  test.each<[string, Reply, string]>([
    ['API Gateway forbids', { status: 403, body: { message: 'Forbidden' } }, 'Forbidden'],
    ['API Gateway throttles', { status: 429, body: { message: 'Too Many Requests' } }, 'Too Many Requests'],
    [
      'a function ended',
      { status: 500, body: { message: 'Internal Server Error' } },
      'Internal Server Error',
    ],
    ['a proxy is alone', { status: 502, headers: html, body: '<h1>Bad Gateway</h1>' }, '502'],
    ['a function took too long', { status: 504, body: '' }, '504'],
    ['a page to log in comes', { status: 200, headers: html, body: '<form>' }, '200'],
    ['the data is missing', { status: 200, body: { success: true } }, '200'],
    ['it is a list', { status: 200, body: [] }, '200'],
    ['it says nothing', { status: 204 }, '204'],
    ['it leads elsewhere', { status: 302, headers: { location: '/health' } }, '302'],
  ])('is a GatewayError: %s', async (_, reply, message) => {
    const server = await script(reply);
    const error = await failed(clientOf(server).get('k'));
    expect(error).toMatchObject({ name: 'GatewayError', code: `HTTP_${reply.status}`, status: reply.status });
    expect(error.message).toContain(message);
    expect(server.asked).toHaveLength(1);
  });

  test("has the parser's error as its cause", async () => {
    const error = await failed(clientOf(await script({ status: 200, body: '{' })).get('k'));
    expect(error).toMatchObject({ code: 'HTTP_200', cause: expect.any(SyntaxError) });
  });

  test('is also recognized if a 204 was expected', async () => {
    const error = await failed(clientOf(await script({ status: 200, body: {} })).delete('k'));
    expect(error.code).toBe('HTTP_200');
  });

  test('is also recognized instead of a health report', async () => {
    const error = await failed(clientOf(await script({ status: 503, body: { message: 'no' } })).health());
    expect(error.code).toBe('HTTP_503');
  });

  test.each([
    ['5', 5000],
    [new Date(0).toUTCString(), 0],
    ['soon', undefined],
  ])('has retryAfterMs from Retry-After: %s', async (text, ms) => {
    const server = await script({ status: 503, headers: { 'retry-after': text } });
    expect((await failed(clientOf(server).get('k'))).retryAfterMs).toBe(ms);
  });

  test('has retryAfterMs from its details if there it is more exact', async () => {
    const {
      statusCode: status,
      headers,
      body,
    } = envelope(new answered.TenantRateLimitedError(250), {
      correlationId: 'c',
      requestId: 'r',
    });
    const server = await script({ status, headers, body });
    const error = await failed(clientOf(server).get('k'));
    expect(error).toBeInstanceOf(errors.TenantRateLimitedError);
    expect(error.retryAfterMs).toBe(250);
  });

  test('has retryAfterMs from a date in Retry-After: in an hour', async () => {
    const startedEpochMs = Date.now();
    const date = new Date(startedEpochMs + 3_600_000).toUTCString();
    const server = await script({ status: 503, headers: { 'retry-after': date } });
    const { retryAfterMs = Number.NaN } = await failed(clientOf(server).get('k'));
    // The header has no fractions of a second.
    const least = 3_599_000 - (Date.now() - startedEpochMs);
    expect(retryAfterMs).toBeGreaterThanOrEqual(least);
    expect(retryAfterMs).toBeLessThanOrEqual(3_600_000);
  });
});

describe('the message of an error', () => {
  const issues = [
    { field: 'ttl', message: 'must be a whole number' },
    { field: 'key', message: 'must not be empty' },
  ];
  const invalid = (message: string): Reply => ({
    status: 400,
    body: { success: false, error: { code: 'VALIDATION_ERROR', message, details: { issues } } },
  });

  test('has the first issue, once', async () => {
    const bare = await failed(clientOf(await script(invalid('Not valid'))).get('k'));
    expect(String(bare)).toBe('ValidationError: Not valid: ttl must be a whole number');
    const reported = await failed(clientOf(await script(invalid('ttl must be a whole number'))).get('k'));
    expect(String(reported)).toBe('ValidationError: ttl must be a whole number');
    expect(reported).toMatchObject({ issues });
  });

  test("names a field of a batch by the index in the caller's list", async () => {
    const issue = { field: 'keys.1', message: 'must not be empty' };
    const reply = failure(400, 'VALIDATION_ERROR', { issues: [issue] });
    const message = 'keys.1 must not be empty';
    const error = { code: 'VALIDATION_ERROR', message, details: { issues: [issue] } };
    for (const answer of [reply, { status: 400, body: { success: false, error } }]) {
      const full = success({ items: [] });
      const server = await script(({ body }) => (body.includes('"k:100"') ? answer : full));
      const keys = Array.from({ length: 150 }, (_, index) => `k:${index}`);
      const { message: text } = await failed(clientOf(server).getMany(keys));
      expect(text).toMatch(/(?:^|: )keys\.101 must not be empty$/);
      expect(text).not.toMatch(/keys\.1 /);
    }
  });

  test("has the runtime's reason and the URL of a failed connection", async () => {
    const url = `http://${LOOPBACK}:${await freePort()}`;
    const refused = await failed(clientOf({ url }).get('k'));
    expect(String(refused)).toMatch(
      `ConnectionError: The cache at ${url} could not be reached: connect ECONNREFUSED`,
    );
    const causes = [
      [new TypeError('Failed to fetch'), 'Failed to fetch'],
      [
        new TypeError('fetch failed', {
          cause: Object.assign(new AggregateError([]), { code: 'ECONNREFUSED' }),
        }),
        'ECONNREFUSED',
      ],
      [new TypeError('fetch failed', { cause: 'no reason' }), 'fetch failed'],
    ] as const;
    for (const [cause, reason] of causes) {
      const cache = new CacheClient({
        url: 'http://a/b',
        tenant: 't',
        retries: 0,
        fetch: () => Promise.reject(cause),
      });
      const { message } = await failed(cache.get('k'));
      expect(message).toBe(`The cache at http://a/b could not be reached: ${reason}`);
    }
  });

  test("has the parser's reason for a body that is not JSON", async () => {
    const error = await failed(clientOf(await script({ status: 200, body: '<html>' })).get('k'));
    expect(String(error)).toMatch(/^GatewayError: .*: Unexpected token '<'/);
  });

  test('has the method and the URL of an unknown route, without the key', async () => {
    const server = await script(failure(404, 'NOT_FOUND'));
    const error = await failed(clientOf({ url: `${server.url}/elsewhere/` }).get('secret'));
    expect(error.message).toBe(`It is NOT_FOUND: GET ${server.url}/elsewhere/api/v1/cache`);
  });
});

describe('an error that is logged', () => {
  test('shows its issues and its cause, also inside other objects', async () => {
    const issues = [{ field: 'ttl', message: 'must be a whole number' }];
    const invalid = await failed(
      clientOf(await script(failure(400, 'VALIDATION_ERROR', { issues }))).get('k'),
    );
    for (const text of [inspect(invalid), inspect({ error: invalid }), inspect(invalid, { depth: null })]) {
      expect(text).toMatch(/^(?:\{\s+error: )?ValidationError: It is VALIDATION_ERROR: ttl must be/);
      expect(text).toContain("issues: [ { field: 'ttl', message: 'must be a whole number' } ]");
      expect(text).toContain('errors.test.ts');
    }
    const refused = await failed(clientOf({ url: `http://${LOOPBACK}:${await freePort()}` }).get('k'));
    expect(inspect(refused)).toMatch(/ConnectionError: .*ECONNREFUSED/);
    expect(inspect(refused)).toMatch(/\[cause\]: .*TypeError: fetch failed/);
  });
});

describe('a connection', () => {
  test('that is refused is an error with maybeSent false', async () => {
    const error = await failed(clientOf({ url: `http://${LOOPBACK}:${await freePort()}` }).get('k'));
    expect(error).toMatchObject({ name: 'ConnectionError', code: 'CONNECTION_FAILED', maybeSent: false });
    expect(error.message).toContain('ECONNREFUSED');
    expect(error.correlationId).toMatch(/./);
    expect(error.cause).toBeInstanceOf(TypeError);
  });

  test.each(['reset', 'cut'] as const)('that breaks is an error with maybeSent true: %s', async (move) => {
    const error = await failed(clientOf(await script(move)).get('k'));
    expect(error).toMatchObject({ name: 'ConnectionError', maybeSent: true, status: undefined });
  });

  test('is not blamed for an invalid header', async () => {
    const server = await script('hang');
    const error = await failed(clientOf(server).get('k', { headers: { 'x-any': 'a\nb' } }));
    expect(error).toBeInstanceOf(TypeError);
    expect(server.asked).toEqual([]);
  });
});

describe('a client', () => {
  test.each([
    '',
    'localhost:8080',
    'ftp://localhost',
    'http://u:p@localhost',
    'http://localhost?a=b',
    'http://a/#b',
    'http://localhost?',
    'http://localhost/#',
  ])('rejects the url %j', (url) => {
    expect(() => new CacheClient({ url, tenant: 't' })).toThrow(TypeError);
  });
});
