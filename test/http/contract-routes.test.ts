import { expect, test } from 'vitest';
import {
  API,
  byQuery,
  dataOf,
  describedRequest,
  describeOnBackends,
  detailsOf,
  expectNoContent,
} from './client.ts';
import { rawRequest } from './gateway-raw.ts';

describeOnBackends('a path without a route', {}, (connect) => {
  test.each([
    ['GET', '/api'],
    ['GET', '/api/v1'],
    ['GET', `${API}/`],
    ['GET', `${API}//`],
    ['GET', '/API/v1/cache?key=a'],
    ['GET', '/api/v2/cache?key=a'],
    ['GET', `${API}/a/b`],
    ['DELETE', `${API}/a/b`],
    ['PUT', `${API}/a/b`],
    ['GET', `${API}/tenant/`],
    ['GET', `${API}/tenant/a/b`],
    ['DELETE', `${API}/tenant/`],
    ['DELETE', `${API}/tenant/a/b`],
    ['GET', '/health/'],
    ['GET', '/healthy'],
    ['POST', '/healthy'],
    ['OPTIONS', '/healthy'],
    ['OPTIONS', '*'],
    ['GET', '/openapi'],
  ])('is answered with 404: %s %s', async (method, target) => {
    const body = method.startsWith('P') ? '{"key":"k","value":1}' : undefined;
    const answer = await connect().send({ method, target, body });
    detailsOf(answer, 404, 'NOT_FOUND');
    expect(answer.headers).not.toHaveProperty('allow');
  });

  test('needs no tenant', async () => {
    detailsOf(await describedRequest(connect().port, { target: '/nowhere' }), 404, 'NOT_FOUND');
  });
});

describeOnBackends('a path without a route for the method', {}, (connect) => {
  test.each([
    ['PUT', API, 'DELETE, GET, HEAD, POST'],
    ['PATCH', API, 'DELETE, GET, HEAD, POST'],
    ['OPTIONS', API, 'DELETE, GET, HEAD, POST'],
    ['POST', `${API}/k`, 'DELETE, GET, HEAD'],
    ['PUT', `${API}/k`, 'DELETE, GET, HEAD'],
    // This path is a route of its own and also the key `invalidate`.
    ['PUT', `${API}/invalidate`, 'DELETE, GET, HEAD, POST'],
    ['GET', `${API}/batch/get`, 'POST'],
    ['HEAD', `${API}/batch/get`, 'POST'],
    ['POST', `${API}/tenant/a`, 'DELETE, GET, HEAD'],
    ['POST', '/health', 'GET, HEAD'],
    ['DELETE', '/health', 'GET, HEAD'],
    ['OPTIONS', '/health', 'GET, HEAD'],
    ['POST', '/openapi.json', 'GET, HEAD'],
  ])('is answered with 405 and the allowed methods: %s %s', async (method, target, allow) => {
    const body = method.startsWith('P') ? '{"key":"k","value":1}' : undefined;
    const answer = await connect().send({ method, target, body });
    expect(answer.status).toBe(405);
    expect(answer.headers.allow).toBe(allow);
    if (method === 'HEAD') return;
    expect(detailsOf(answer, 405, 'METHOD_NOT_ALLOWED')).toEqual({ allowed: allow.split(', ') });
  });

  test('needs no tenant', async () => {
    const answer = await describedRequest(connect().port, { method: 'POST', target: '/health' });
    detailsOf(answer, 405, 'METHOD_NOT_ALLOWED');
  });
});

describeOnBackends('HEAD', {}, (connect) => {
  test('is answered with the status and headers of GET and no body, on every path of GET', async () => {
    const client = connect();
    dataOf(await client.set('k', '[1.0]', 3600), 201);
    for (const target of [
      `${API}/k`,
      byQuery('k'),
      byQuery('missing'),
      `${API}/tenant/${client.tenant}`,
      '/health',
      '/openapi.json',
    ]) {
      const ids = ['X-Correlation-ID', 'chain-1', 'X-Request-ID', 'link-2'];
      const get = await client.send({ target, headers: ids });
      const head = await client.send({ method: 'HEAD', target, headers: ids });
      expect(head.text, target).toBe('');
      expect(head.status, target).toBe(200);
      // The number of digits of the latency in the health check's body varies.
      const { date: _, 'content-length': length, ...headers } = get.headers;
      expect(head.headers).toMatchObject(headers);
      if (target === '/health') expect(Number(head.headers['content-length'])).toBeGreaterThan(0);
      else expect(head.headers['content-length'], target).toBe(length);
    }
  });

  test('is answered with the failure status of GET and no body', async () => {
    const client = connect();
    const head = (target: string, headers: string[] = []) => client.send({ method: 'HEAD', target, headers });
    for (const [answer, status] of [
      [await head(API), 400],
      [await head(`${API}/k`, ['X-Tenant-ID', '']), 401],
      [await head(`${API}/tenant/other`), 403],
      [await head('/nowhere'), 404],
    ] as const) {
      expect([answer.status, answer.text]).toEqual([status, '']);
      expect(Number(answer.headers['content-length'])).toBeGreaterThan(0);
    }
  });

  test('does not affect the next request on its connection', async () => {
    const client = connect();
    const head = await client.send({ method: 'HEAD', target: '/health', headers: ['Connection', 'close'] });
    expect(head.status).toBe(200);
    expectNoContent(await client.delete('k'));
  });
});

describeOnBackends('the root path of the local server', {}, (connect) => {
  test.each(['GET', 'HEAD'])('redirects %s to the docs page', async (method) => {
    const answer = await rawRequest(connect().port, { method, target: '/' });
    expect([answer.status, answer.headers.location, answer.text]).toEqual([302, '/docs', '']);
  });

  test('answers another method with 404', async () => {
    detailsOf(await connect().send({ method: 'POST', target: '/', body: '{}' }), 404, 'NOT_FOUND');
  });
});
