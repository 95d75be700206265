import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { routes } from '../../lib/routes.ts';
import { type Echoed, echo, startTestGateway, type TestGateway } from './gateway-echo.ts';
import type { RawRequest } from './gateway-raw.ts';

const API = '/api/v1/cache';
const MAX_BODY_BYTES = 10 * 1024 ** 2;

let gateway: TestGateway;

beforeAll(async () => {
  gateway = await startTestGateway(routes, Object.fromEntries(routes.map(({ name }) => [name, echo])));
});
afterAll(() => gateway.stop(0));

/** Sends the request to a function that returns its event and context. */
async function invoked(request: RawRequest): Promise<Echoed> {
  const answer = await gateway.send(request);
  expect(answer.status).toBe(200);
  return answer.json() as Echoed;
}

const eventOf = async (request: RawRequest) => (await invoked(request)).event;

describe('the router', () => {
  test.each([
    ['GET', `${API}/user:1`, 'get', `GET ${API}/{key}`],
    ['GET', `${API}?key=a`, 'get', `GET ${API}`],
    ['POST', `${API}/invalidate`, 'invalidate', `POST ${API}/invalidate`],
    ['PUT', API, 'not-found', '$default'],
    ['OPTIONS', API, 'not-found', '$default'],
    ['OPTIONS', '*', 'not-found', '$default'],
    ['GET', `${API}/`, 'not-found', '$default'],
    ['GET', '/', 'not-found', '$default'],
  ])('passes %s %s to the function %s', async (method, target, name, routeKey) => {
    const { event, context } = await invoked({ method, target });
    expect(context.functionName).toBe(name);
    expect(event).toMatchObject({ routeKey, requestContext: { routeKey, http: { method } } });
  });

  test('invokes functions with the request id and a remaining time of at most 30 s', async () => {
    const { event, context } = await invoked({ target: '/health' });
    expect(context.awsRequestId).toBe(event.requestContext.requestId);
    expect(context.remainingMs).toBeGreaterThan(0);
    expect(context.remainingMs).toBeLessThanOrEqual(30_000);
  });
});

describe('the event of a request', () => {
  test('contains the path decoded once and the query not decoded', async () => {
    const event = await eventOf({ target: `${API}/a%20b%252F+%E6%97%A5?key=%2Fa+b&key=c` });
    expect(event).toMatchObject({
      rawPath: `${API}/a b%2F+日`,
      pathParameters: { key: 'a b%2F+日' },
      rawQueryString: 'key=%2Fa+b&key=c',
      queryStringParameters: { key: '/a b,c' },
      requestContext: { http: { path: `${API}/a b%2F+日` } },
    });
  });

  test('has no members for path parameters, query parameters, cookies and body if the request has none', async () => {
    const event = await eventOf({ target: '/health' });
    expect(Object.keys(event).sort()).toEqual([
      'headers',
      'isBase64Encoded',
      'rawPath',
      'rawQueryString',
      'requestContext',
      'routeKey',
      'version',
    ]);
  });

  test('contains a path with dot segments and double slashes unchanged', async () => {
    expect(await eventOf({ target: '/a/../b//./c' })).toMatchObject({ rawPath: '/a/../b//./c' });
  });

  test('has the route of the path with a slash if the slash was encoded', async () => {
    expect(await eventOf({ target: `${API}/a%2Fb` })).toMatchObject({
      routeKey: '$default',
      rawPath: `${API}/a/b`,
    });
    expect(await eventOf({ target: `${API}%2Fa` })).toMatchObject({ pathParameters: { key: 'a' } });
  });

  test('has a path that ends at an encoded question mark', async () => {
    expect(await eventOf({ target: `${API}/a%3Fb?key=c` })).toMatchObject({
      rawPath: `${API}/a`,
      pathParameters: { key: 'a' },
      rawQueryString: 'key=c',
    });
    expect(await eventOf({ target: `${API}/%3Fb` })).toMatchObject({
      routeKey: '$default',
      rawPath: `${API}/`,
    });
  });

  test('contains headers in lower case, with repeated headers joined by commas', async () => {
    const headers = ['X-Tenant-ID', 'a', 'X-TENANT-ID', 'b', 'User-Agent', 'one', 'User-Agent', 'two'];
    const event = await eventOf({ target: '/health', headers });
    expect(event.headers).toMatchObject({ 'x-tenant-id': 'a,b', 'user-agent': 'one,two' });
    expect(event.requestContext.http.userAgent).toBe('one,two');
  });

  test('contains cookies in a list and not in the headers', async () => {
    const event = await eventOf({ target: '/health', headers: ['Cookie', 'a=1; b=2', 'Cookie', 'c=3'] });
    expect(event.cookies).toEqual(['a=1', 'b=2', 'c=3']);
    expect(event.headers).not.toHaveProperty('cookie');
  });

  test('contains the domain, the source address, the protocol, the time and a request id', async () => {
    const { requestContext } = await eventOf({
      target: '/health',
      headers: ['Host', 'cache.example.org:80'],
    });
    expect(requestContext).toMatchObject({
      domainName: 'cache.example.org',
      domainPrefix: 'cache',
      stage: '$default',
      http: { sourceIp: '127.0.0.1', protocol: 'HTTP/1.1' },
    });
    expect(requestContext.requestId).toMatch(/^[0-9a-f-]{36}$/);
    expect(Math.abs(requestContext.timeEpoch - Date.now())).toBeLessThan(60_000);
  });

  test('contains a different request id for each request', async () => {
    const [one, two] = [await eventOf({ target: '/health' }), await eventOf({ target: '/health' })];
    expect(one.requestContext.requestId).not.toBe(two.requestContext.requestId);
  });
});

describe('the body of a request', () => {
  const post = (body: string | Buffer, headers: string[] = []) =>
    eventOf({ method: 'POST', target: API, headers, body });

  test('is text if it is UTF-8', async () => {
    expect(await post('{"é":"日"}')).toMatchObject({ body: '{"é":"日"}', isBase64Encoded: false });
  });

  test('is base64 if it is not UTF-8', async () => {
    const bytes = Buffer.from([0x22, 0xff, 0x00, 0x22]);
    expect(await post(bytes)).toMatchObject({ body: bytes.toString('base64'), isBase64Encoded: true });
  });

  test('is absent if it is empty, chunked or without a length', async () => {
    expect(await post('')).not.toHaveProperty('body');
    expect(await post('', ['Transfer-Encoding', 'chunked'])).not.toHaveProperty('body');
    expect(await eventOf({ method: 'POST', target: API })).not.toHaveProperty('body');
  });

  test('is complete if it was sent in chunks', async () => {
    const body = '日本'.repeat(100_000);
    expect((await post(body, ['Transfer-Encoding', 'chunked'])).body).toBe(body);
  });

  test('is passed to the function of a DELETE request', async () => {
    expect(await eventOf({ method: 'DELETE', target: `${API}/a`, body: 'x' })).toMatchObject({ body: 'x' });
  });

  test('is accepted with 10 MB', async () => {
    expect((await post('x'.repeat(MAX_BODY_BYTES))).body).toHaveLength(MAX_BODY_BYTES);
  });
});
