import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startTestGateway, type TestGateway } from './gateway-echo.ts';
import { openConnection, type RawResponse, readToEnd } from './gateway-raw.ts';
import { type Service, startService } from './service.ts';

const LONG = JSON.stringify('é'.repeat(1000));
const answers = {
  long: { statusCode: 200, headers: { 'content-type': 'application/json', etag: '"1"' }, body: LONG },
  short: { statusCode: 200, body: 'x'.repeat(1023) },
  empty: { statusCode: 204 },
  binary: { statusCode: 200, body: Buffer.alloc(3000).toString('base64'), isBase64Encoded: true },
  broken: { statusCode: 200, headers: { 'x-a': 'a\r\nb' }, body: LONG },
};

let gateway: TestGateway;

beforeAll(async () => {
  const names = Object.keys(answers);
  gateway = await startTestGateway(
    names.map((name) => ({
      name,
      method: 'GET' as const,
      paths: [`/${name}`],
      kind: 'read' as const,
      tenant: false,
    })),
    Object.fromEntries(Object.entries(answers).map(([name, answer]) => [name, async () => answer])),
  );
});
afterAll(() => gateway.stop(0));

const ask = (target: string, accepted?: string, method = 'GET') =>
  gateway.send({ method, target, headers: accepted === undefined ? [] : ['Accept-Encoding', accepted] });

function decoded({ headers, body }: RawResponse): string {
  expect(headers['content-length']).toBe(String(body.length));
  if (headers['content-encoding'] === 'gzip') return gunzipSync(body).toString();
  if (headers['content-encoding'] === 'br') return brotliDecompressSync(body).toString();
  expect(headers).not.toHaveProperty('content-encoding');
  return body.toString();
}

describe('a response of 1 kB or more', () => {
  test.each([
    ['gzip', 'gzip'],
    ['br', 'br'],
    ['gzip, deflate, br', 'br'],
    ['gzip, deflate, br, zstd', 'br'],
    ['gzip;q=1.0, br;q=0.5', 'gzip'],
    ['br;q=0.001', 'br'],
    ['GZIP', 'gzip'],
    [' gzip ; q=0.2 ', 'gzip'],
    ['*', 'br'],
    ['br;q=0, *', 'gzip'],
    ['*;q=0, gzip', 'gzip'],
    ['identity;q=0.5, gzip;q=0.6', 'gzip'],
  ])('with the Accept-Encoding %j is compressed with %s', async (accepted, coding) => {
    const answer = await ask('/long', accepted);
    expect(answer.headers).toMatchObject({
      'content-encoding': coding,
      'content-type': 'application/json',
      vary: 'accept-encoding',
    });
    expect(answer.body.length).toBeLessThan(LONG.length / 4);
    expect(decoded(answer)).toBe(LONG);
  });

  test.each([
    undefined,
    '',
    'identity',
    'deflate',
    'zstd',
    'gzip;q=0',
    'gzip;q=0, br;q=0.0',
    '*;q=0',
    'identity, gzip;q=0.5',
    'identity;q=1, *;q=0.5',
    'xgzip',
    'gzip;q=x',
  ])('with the Accept-Encoding %j is not compressed', async (accepted) => {
    const answer = await ask('/long', accepted);
    expect(answer.headers).toMatchObject({ vary: 'accept-encoding', etag: '"1"' });
    expect(decoded(answer)).toBe(LONG);
  });

  test('has a weak entity tag if it is compressed', async () => {
    expect((await ask('/long', 'gzip')).headers.etag).toBe('W/"1"');
  });

  test('to HEAD has no body, and has a Content-Length only if the response to GET would not be compressed', async () => {
    const [plain, compressed] = [await ask('/long', '', 'HEAD'), await ask('/long', 'gzip', 'HEAD')];
    expect(plain.headers['content-length']).toBe(String(Buffer.byteLength(LONG)));
    expect(compressed.headers).not.toHaveProperty('content-length');
    for (const answer of [plain, compressed]) {
      expect([answer.status, answer.text]).toEqual([200, '']);
      expect(answer.headers).toMatchObject({ vary: 'accept-encoding' });
    }
  });

  test('is sent before the response to the next pipelined request', async () => {
    const socket = await openConnection(gateway.port);
    const get = (path: string, last = '') =>
      `GET ${path} HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\n${last}\r\n`;
    socket.write(get('/long') + get('/short', 'Connection: close\r\n'));
    const text = await readToEnd(socket);
    expect(text.match(/HTTP\/1\.1 200 OK/g)).toHaveLength(2);
    expect(text.indexOf('content-encoding: gzip')).toBeLessThan(text.indexOf('content-length: 1023'));
  });

  test("with an invalid header is replaced by the gateway's 500", async () => {
    const answer = await ask('/broken', 'gzip');
    expect([answer.status, answer.text]).toEqual([500, '{"message":"Internal Server Error"}']);
  });
});

test.each(['short', 'empty', 'binary'] as const)('a response is not compressed if it is %s', async (name) => {
  const { headers } = await ask(`/${name}`, 'gzip, br');
  expect(headers).not.toHaveProperty('content-encoding');
  expect(headers).not.toHaveProperty('vary');
});

describe('the local server', () => {
  let service: Service;
  beforeAll(async () => {
    service = await startService();
  });
  afterAll(() => service.stop());

  test('compresses a large value for fetch, which returns it verbatim', async () => {
    const value = `[${'1.0,'.repeat(100_000)}12345678901234567890]`;
    const headers = { 'X-Tenant-ID': 'acme', 'Content-Type': 'application/json' };
    const url = `${service.url}/api/v1/cache`;
    const set = await fetch(url, { method: 'POST', headers, body: `{"key":"large","value":${value}}` });
    expect(set.status).toBe(201);
    const answer = await fetch(`${url}/large`, { headers });
    expect(answer.headers.get('content-encoding')).toBe('gzip');
    expect(Number(answer.headers.get('content-length'))).toBeLessThan(value.length / 10);
    expect(await answer.text()).toContain(`"value":${value},`);
  });
});
