import { describe, expect, test } from 'vitest';
import { bearer, CacheClient, type Fetch } from '../../lib/client/index.ts';
import { UUID_V4 } from '../http/client.ts';
import { startService } from '../http/service.ts';
import { type Asked, failure, miss, script, success, wasSet } from './scripted.ts';

const TRACE = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';

describe('every request', () => {
  test('has the tenant, the user, the correlation id and a request id', async () => {
    const server = await script(miss);
    await new CacheClient({ url: server.url, tenant: 'tenant_123', userId: 'user_7' }).get('k');
    expect(server.asked[0]?.headers).toMatchObject({
      'x-tenant-id': 'tenant_123',
      'x-user-id': 'user_7',
      'x-correlation-id': expect.stringMatching(UUID_V4),
      'x-request-id': expect.stringMatching(UUID_V4),
    });
  });

  test('has a content type if it has a body, and only then', async () => {
    const server = await script(miss, wasSet);
    const cache = new CacheClient({ url: server.url, tenant: 't' });
    await cache.get('k');
    await cache.set('k', 1);
    expect(server.asked.map(({ headers }) => headers['content-type'])).toEqual([
      undefined,
      'application/json',
    ]);
  });

  test('calls fetch without this, as browsers require', async () => {
    const server = await script(miss);
    const strict: Fetch = function (this: unknown, ...request) {
      if (this !== undefined) throw new TypeError('Illegal invocation');
      return fetch(...request);
    };
    const cache = new CacheClient({ url: server.url, tenant: 't', fetch: strict });
    expect(await cache.get('k')).toEqual({ found: false, key: 'k' });
  });

  test('uses the global fetch of that moment, which instrumentation may have replaced', async () => {
    const server = await script(miss);
    const cache = new CacheClient({ url: server.url, tenant: 't' });
    const { fetch: original } = globalThis;
    let asked = 0;
    globalThis.fetch = (...request) => {
      asked++;
      return original(...request);
    };
    try {
      await cache.get('k');
    } finally {
      globalThis.fetch = original;
    }
    expect(asked).toBe(1);
  });

  test("has the path prefix of the client's url", async () => {
    const server = await script(miss);
    for (const path of ['', '/', '/prod', '/prod/']) {
      await new CacheClient({ url: `${server.url}${path}`, tenant: 't' }).get('a');
    }
    const target = '/api/v1/cache?key=a';
    expect(server.asked.map((asked) => asked.target)).toEqual([
      target,
      target,
      `/prod${target}`,
      `/prod${target}`,
    ]);
  });
});

describe('trace and correlation', () => {
  test("come from the client's headers function, which is called once per call", async () => {
    const server = await script({ status: 503 }, miss, miss);
    let calls = 0;
    const headers = () => ({
      traceparent: TRACE,
      TraceState: 'vendor=1',
      'X-Correlation-ID': `chain-${++calls}`,
      absent: undefined,
    });
    const cache = new CacheClient({ url: server.url, tenant: 't', headers });
    await cache.get('k');
    await cache.get('k');
    const sent = (name: string) => server.asked.map((asked) => asked.headers[name]);
    expect(sent('traceparent')).toEqual([TRACE, TRACE, TRACE]);
    expect(sent('tracestate')).toEqual(['vendor=1', 'vendor=1', 'vendor=1']);
    expect(sent('x-correlation-id')).toEqual(['chain-1', 'chain-1', 'chain-2']);
    expect(sent('absent')).toEqual([undefined, undefined, undefined]);
  });

  test('of a call replace those of the client, but not the tenant', async () => {
    const server = await script(miss);
    const headers = () => ({ 'x-correlation-id': 'of the client', 'x-one': '1', 'x-tenant-id': 'other' });
    const cache = new CacheClient({ url: server.url, tenant: 't', headers });
    await cache.get('k', { headers: { 'X-Correlation-Id': 'of-the-call', 'X-One': '2' } });
    await cache.get('k', { headers: { 'X-Correlation-Id': 'of-the-call' }, correlationId: 'nearest' });
    const picked = ({ headers: sent }: Asked) => [
      sent['x-correlation-id'],
      sent['x-one'],
      sent['x-tenant-id'],
    ];
    expect(server.asked.map(picked)).toEqual([
      ['of-the-call', '2', 't'],
      ['nearest', '1', 't'],
    ]);
  });

  test('are the same in all requests of a call', async () => {
    const server = await script(({ body }) => {
      const { keys } = JSON.parse(body) as { keys: string[] };
      return success({ items: keys.map((key) => ({ key, found: false })) });
    });
    const cache = new CacheClient({ url: server.url, tenant: 't' });
    await cache.getMany(Array.from({ length: 500 }, (_, i) => `k:${i}`));
    const ids = (name: string) => new Set(server.asked.map(({ headers }) => headers[name]));
    expect([ids('x-correlation-id').size, ids('x-request-id').size]).toEqual([1, 5]);
  });

  test('reach the service, and appear in its failures and in its log', async () => {
    const service = await startService();
    const cache = new CacheClient({ url: service.url, tenant: 't', userId: 'user_7' });
    await expect(cache.get('', { correlationId: 'chain-1' })).rejects.toMatchObject({
      correlationId: 'chain-1',
      requestId: expect.stringMatching(UUID_V4),
    });
    await service.stop();
    const line = service
      .stdout()
      .split('\n')
      .find((text) => text.includes('chain-1'));
    expect(JSON.parse(line ?? '{}')).toMatchObject({ correlation_id: 'chain-1' });
  });
});

describe('a bearer token', () => {
  test('is sent unchanged, or requested from its function each time', async () => {
    const server = await script(miss);
    let asked = 0;
    for (const token of ['fixed', () => `made ${++asked}`, async () => `fetched ${++asked}`]) {
      const cache = new CacheClient({ url: server.url, tenant: 't', authorize: bearer(token) });
      await cache.get('k');
      await cache.get('k');
    }
    expect(server.asked.map(({ headers }) => headers.authorization)).toEqual(
      ['fixed', 'fixed', 'made 1', 'made 2', 'fetched 3', 'fetched 4'].map((token) => `Bearer ${token}`),
    );
  });

  test('whose function throws makes the call fail with that error', async () => {
    const server = await script(failure(500, 'INTERNAL_SERVER_ERROR'));
    const expired = new Error('the session is over');
    const authorize = bearer(() => Promise.reject(expired));
    await expect(new CacheClient({ url: server.url, tenant: 't', authorize }).get('k')).rejects.toBe(expired);
    expect(server.asked).toEqual([]);
  });

  test('may be sent in another header', async () => {
    const server = await script(miss);
    const authorize = ({
      method,
      url,
      headers,
      body,
    }: {
      method: string;
      url: string;
      headers: object;
      body: string;
    }) => ({
      'X-Api-Key': `${method} ${new URL(url).search} ${'x-tenant-id' in headers} ${body.length}`,
    });
    await new CacheClient({ url: server.url, tenant: 't', authorize }).get('k');
    expect(server.asked[0]?.headers['x-api-key']).toBe('GET ?key=k true 0');
  });
});
