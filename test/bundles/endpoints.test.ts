import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { fallback, type Operation, routes } from '../../lib/routes.ts';
import { sampleEvent, sampleStatus } from '../events/sample.ts';
import { mainTargets } from '../support/long-run.ts';
import { type ApiRequest, eventFor } from './events.ts';
import { type LambdaFunction, startFunction } from './lambda.ts';

const storedSample = (operation: Operation): unknown =>
  JSON.parse(readFileSync(new URL(`../events/${operation}.json`, import.meta.url), 'utf8'));

it.each([...routes, fallback])('the sample event of $name is made from its example', ({ name }) => {
  expect(storedSample(name), 'node test/events/sample.ts writes it').toEqual(sampleEvent(name));
});

// The functions as they are deployed: each runs in a sandbox of its own, and they share only the backend.
describe.each(mainTargets)('the bundled functions on a $name', ({ url }) => {
  const functions = new Map<Operation, LambdaFunction>();
  let tenant: string;

  beforeAll(async () => {
    const start = async (name: Operation) =>
      functions.set(name, await startFunction(name, { DRAGONFLY_URL: url }));
    await Promise.all([...routes, fallback].map(({ name }) => start(name)));
  });

  afterAll(async () => {
    await Promise.all([...functions.values()].map((running) => running.stop()));
  });

  beforeEach(() => {
    tenant = `bundles-${randomUUID()}`;
  });

  /** Calls an operation as the tenant of the test. */
  async function call(operation: Operation, request: ApiRequest = {}) {
    const event = eventFor(operation, { ...request, headers: { 'X-Tenant-ID': tenant, ...request.headers } });
    const response = await functions.get(operation)?.invoke(event);
    if (!response) throw new Error(`The function ${operation} is not running`);
    return { status: response.statusCode, headers: response.headers ?? {}, body: response.body ?? '' };
  }

  /** Sets a value, given as JSON text. */
  const set = (key: string, value = '1', ttl: number | null = null) =>
    call('set', { body: `{"key":${JSON.stringify(key)},"value":${value},"ttl":${ttl}}` });
  const get = async (key: string) => {
    const { body } = await call('get', { query: `key=${encodeURIComponent(key)}` });
    return JSON.parse(body).data;
  };

  it.each([...routes, fallback])(
    'return the status of the example for the sample event of $name',
    async ({ name }) => {
      expect((await functions.get(name)?.invoke(storedSample(name)))?.statusCode).toBe(sampleStatus(name));
    },
  );

  it('set and get a value', async () => {
    const written = await set('greeting', '"hello"', 60);
    expect(written.status).toBe(201);
    expect(JSON.parse(written.body)).toMatchObject({
      success: true,
      data: { key: 'greeting', status: 'set', ttl: 60 },
    });

    const read = await call('get', { parameters: { key: 'greeting' } });
    expect(read.status).toBe(200);
    expect(read.headers).toMatchObject({ 'content-type': 'application/json' });
    const { data } = JSON.parse(read.body);
    expect(data).toMatchObject({ key: 'greeting', value: 'hello', found: true });
    expect(data.ttl).toBeGreaterThan(0);
    expect(data.ttl).toBeLessThanOrEqual(60);
  });

  it.each([
    '1.0',
    '-0.0',
    '1e400',
    '12345678901234567890',
    '{"a":1,"a":2}',
    '{"a": [1,  2.50], "b": null}',
    '"\\u00e9\\/\\ud83d\\ude00"',
    '"naïve 漢字 🙂"',
    'null',
    'false',
    '""',
    `[${'"a long value, stored compressed",'.repeat(500)}0.10]`,
  ])('return the text of a value as it was sent: %.40s', async (value) => {
    expect((await set('verbatim', value)).status).toBe(201);
    const { body } = await call('get', { parameters: { key: 'verbatim' } });
    expect(body).toContain(`"data":{"key":"verbatim","value":${value},"found":true,"ttl":`);
  });

  it('set and get a value of 5 MiB', async () => {
    const value = JSON.stringify('x'.repeat(5 * 1024 ** 2 - 2));
    expect((await set('large', value)).status).toBe(201);
    const { status, body } = await call('get', { parameters: { key: 'large' } });
    expect(status).toBe(200);
    expect(body.includes(value)).toBe(true);
  });

  it('answer a get of a missing key with 200', async () => {
    const { status, body } = await call('get', { parameters: { key: 'never set' } });
    expect(status).toBe(200);
    expect(JSON.parse(body)).toMatchObject({ success: true, data: { key: 'never set', found: false } });
  });

  it('answer a delete of an existing and of a missing key with 204', async () => {
    await set('short-lived');
    for (let time = 0; time < 2; time++) {
      expect(await call('delete', { parameters: { key: 'short-lived' } })).toMatchObject({
        status: 204,
        body: '',
      });
      expect(await get('short-lived')).toEqual({ key: 'short-lived', found: false });
    }
  });

  it.each(['a/b', 'what?', '100%', '%2F', 'a b+c', '{key}', '*', 'ключ/🙂'])(
    'get and delete the key %s by the query',
    async (key) => {
      await set(key, '"here"');
      expect(await get(key)).toMatchObject({ key, value: 'here', found: true });
      const { status } = await call('delete', { query: `key=${encodeURIComponent(key)}` });
      expect(status).toBe(204);
      expect(await get(key)).toEqual({ key, found: false });
    },
  );

  it('do not decode a key twice', async () => {
    await set('50%25', '"as it is"');
    const { body } = await call('get', { parameters: { key: '50%25' } });
    expect(JSON.parse(body).data).toMatchObject({ key: '50%25', value: 'as it is' });
  });

  it('invalidate exactly the keys that match a pattern', async () => {
    for (const key of ['user:1', 'user:2', 'users', 'order:1']) await set(key);
    const { status, body } = await call('invalidate', { body: { pattern: 'user:*' } });
    expect(status).toBe(200);
    expect(JSON.parse(body).data).toEqual({ pattern: 'user:*', status: 'invalidated', count: 2 });
    const found: Record<string, boolean> = {};
    for (const key of ['user:1', 'user:2', 'users', 'order:1']) found[key] = (await get(key)).found;
    expect(found).toEqual({ 'user:1': false, 'user:2': false, users: true, 'order:1': true });
  });

  it('invalidate exactly the entries that have one of the tags', async () => {
    const setTagged = (key: string, tags: string[]) => call('set', { body: { key, value: 1, tags } });
    for (const [key, tags] of [
      ['a', ['doc:1', 'doc:2']],
      ['b', ['doc:2']],
      ['c', ['doc:3']],
    ] as const)
      expect((await setTagged(key, [...tags])).status).toBe(201);
    const { status, body } = await call('invalidate', { body: { tags: ['doc:1', 'doc:2'] } });
    expect(status).toBe(200);
    expect(JSON.parse(body).data).toEqual({ tags: ['doc:1', 'doc:2'], status: 'invalidated', count: 2 });
    expect([(await get('a')).found, (await get('b')).found, (await get('c')).found]).toEqual([
      false,
      false,
      true,
    ]);
  });

  it("list the keys of the caller's tenant in pages, and answer 403 for another tenant", async () => {
    for (const key of ['b', 'ключ/🙂', 'a?']) await set(key);
    const list = (query: string) => call('keys', { parameters: { tenant_id: tenant }, query });
    const first = await list('limit=2');
    expect(first.status).toBe(200);
    const { keys, cursor } = JSON.parse(first.body).data;
    expect(keys).toMatchObject([
      { key: 'a?', stale: false, tags: [] },
      { key: 'b', stale: false, tags: [] },
    ]);
    const second = await list(`limit=2&cursor=${cursor}`);
    expect(JSON.parse(second.body).data).toMatchObject({ keys: [{ key: 'ключ/🙂' }], cursor: null });
    expect(await call('keys', { parameters: { tenant_id: 'other' } })).toMatchObject({ status: 403 });
  });

  it("return the usage of the caller's tenant, and answer 403 for another tenant", async () => {
    await set('short', '"x"');
    await set('long', JSON.stringify('x'.repeat(500)));
    const { status, body } = await call('usage', { parameters: { tenant_id: tenant } });
    expect(status).toBe(200);
    expect(JSON.parse(body).data).toEqual({
      tenant_id: tenant,
      entries: 2,
      bytes: { estimated: 3 + 502 + 2 * 31, sampled: 2, missing: 0 },
      limits: { entries: null, bytes: null, requests_per_second: null, burst: null },
      backend: 'dragonfly',
    });
    expect(await call('usage', { parameters: { tenant_id: 'other' } })).toMatchObject({ status: 403 });
  });

  it("clear only the caller's tenant", async () => {
    await set('mine');
    const mine = tenant;
    tenant = `${mine}-neighbour`;
    await set('theirs');
    tenant = mine;
    expect(await call('clear-tenant', { parameters: { tenant_id: mine } })).toMatchObject({
      status: 204,
      body: '',
    });
    expect(await get('mine')).toEqual({ key: 'mine', found: false });
    tenant = `${mine}-neighbour`;
    expect(await get('theirs')).toMatchObject({ found: true });
  });

  it('report a reachable backend as healthy', async () => {
    const response = await functions.get('health')?.invoke(eventFor('health'));
    expect(response?.statusCode).toBe(200);
    expect(JSON.parse(response?.body ?? '')).toMatchObject({ status: 'healthy', backend: 'dragonfly' });
  });

  it('answer a path without a route with 404', async () => {
    const { status, body } = await call('not-found', { method: 'PATCH', path: '/api/v1/cache/a/b' });
    expect(status).toBe(404);
    expect(JSON.parse(body)).toMatchObject({ success: false, error: { code: 'NOT_FOUND' } });
  });

  it('answer a path without a route for the method with 405', async () => {
    const { status, headers, body } = await call('not-found', { method: 'PATCH', path: '/api/v1/cache/k' });
    expect(status).toBe(405);
    expect(headers).toMatchObject({ allow: 'DELETE, GET, HEAD' });
    expect(JSON.parse(body)).toMatchObject({ error: { code: 'METHOD_NOT_ALLOWED' } });
  });

  it('answer HEAD with the Content-Length of GET and without the body', async () => {
    await set('heads', '"up"');
    const [get, head] = [
      await call('get', { query: 'key=heads' }),
      await call('get', { query: 'key=heads', head: true }),
    ];
    expect(head.status).toBe(200);
    expect(head.body).toBe('');
    expect(head.headers).toMatchObject({
      'content-type': 'application/json',
      'content-length': String(Buffer.byteLength(get.body)),
    });
  });

  it('set and get the largest batch that is accepted within the payload limit of Lambda', async () => {
    const keys = Array.from({ length: 100 }, (_, i) => String(i).padEnd(1024, '"'));
    // The event and the response are JSON strings, in which two of three bytes of the value are escaped.
    const bodyOf = (strings: number) => {
      const value = `[${'"",'.repeat(strings)}""]`;
      return `{"items":[${keys.map((key) => `{"key":${JSON.stringify(key)},"value":${value},"ttl":2592000}`)}]}`;
    };
    expect((await call('batch-set', { body: bodyOf(11_532) })).status).toBe(201);
    const { status, body } = await call('batch-get', { body: { keys } });
    expect(status).toBe(200);
    const found: { found: boolean; value: string[] }[] = JSON.parse(body).data.items;
    expect(found.map((item) => item.found && item.value.length)).toEqual(Array(100).fill(11_533));
    const { error } = JSON.parse((await call('batch-set', { body: bodyOf(11_533) })).body);
    expect(error).toMatchObject({ code: 'PAYLOAD_TOO_LARGE', details: { fitting: 99 } });
  });

  it('accept a base64-encoded body', async () => {
    const { status } = await call('set', { body: { key: 'encoded', value: 'ü' }, base64: true });
    expect(status).toBe(201);
    expect(await get('encoded')).toMatchObject({ value: 'ü' });
  });

  it("return the caller's correlation id and request id", async () => {
    const { headers, body } = await call('get', {
      parameters: { key: 'any' },
      headers: { 'X-Correlation-ID': 'corr-1', 'X-Request-ID': 'req-1' },
    });
    expect(headers).toMatchObject({ 'x-correlation-id': 'corr-1', 'x-request-id': 'req-1' });
    expect(JSON.parse(body)).toMatchObject({ correlation_id: 'corr-1', request_id: 'req-1' });
  });

  it.each<[string, Operation, ApiRequest, number, string]>([
    [
      'no tenant',
      'get',
      { parameters: { key: 'k' }, headers: { 'X-Tenant-ID': '' } },
      401,
      'MISSING_TENANT_ID',
    ],
    [
      'a malformed tenant',
      'get',
      { parameters: { key: 'k' }, headers: { 'X-Tenant-ID': '*' } },
      400,
      'VALIDATION_ERROR',
    ],
    ['no key', 'get', {}, 400, 'VALIDATION_ERROR'],
    ['two keys', 'delete', { query: 'key=a&key=b' }, 400, 'VALIDATION_ERROR'],
    ['no body', 'set', { headers: { 'Content-Type': 'application/json' } }, 400, 'VALIDATION_ERROR'],
    ['broken JSON', 'set', { body: '{"key":"k","value":[1,}' }, 400, 'VALIDATION_ERROR'],
    ['a TTL of zero', 'set', { body: { key: 'k', value: 1, ttl: 0 } }, 400, 'VALIDATION_ERROR'],
    [
      'the media type text/plain',
      'set',
      { body: 'k=1', headers: { 'Content-Type': 'text/plain' } },
      415,
      'UNSUPPORTED_MEDIA_TYPE',
    ],
    [
      'a compressed body',
      'set',
      { body: 'x', base64: true, headers: { 'Content-Encoding': 'gzip' } },
      415,
      'UNSUPPORTED_MEDIA_TYPE',
    ],
    [
      'a value that is too large',
      'set',
      { body: { key: 'k', value: 'x'.repeat(5 * 1024 ** 2) } },
      413,
      'PAYLOAD_TOO_LARGE',
    ],
    ['an empty pattern', 'invalidate', { body: { pattern: '' } }, 400, 'VALIDATION_ERROR'],
    ['another tenant in the body', 'invalidate', { body: { tenant_id: 'other' } }, 403, 'TENANT_MISMATCH'],
    [
      'another tenant in the path',
      'clear-tenant',
      { parameters: { tenant_id: 'other' } },
      403,
      'TENANT_MISMATCH',
    ],
  ])('reject a request with %s', async (_, operation, request, status, code) => {
    const response = await call(operation, request);
    expect(response.status).toBe(status);
    expect(JSON.parse(response.body)).toMatchObject({ success: false, error: { code } });
  });

  it('log one line of JSON for each request, without key and value', async () => {
    const before = functions.get('set')?.output().length;
    await set('secret key', '"secret value"');
    const lines = functions.get('set')?.output().slice(before).trim().split('\n') ?? [];
    expect(lines.map((line) => JSON.parse(line))).toMatchObject([{ operation: 'set', tenant, status: 201 }]);
    expect(lines.join()).not.toMatch(/secret/);
  });
});
