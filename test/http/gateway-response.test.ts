import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Handler } from '../../infra/server/invoke.ts';
import type { Result } from '../../infra/server/response.ts';
import { startTestGateway, type TestGateway } from './gateway-echo.ts';
import { openConnection, rawRequest, readToEnd } from './gateway-raw.ts';

const answers: Record<string, Result> = {
  text: { statusCode: 201, headers: { 'Content-Type': 'text/plain', 'X-Number': 7 }, body: 'é日𝄞' },
  base64: { statusCode: 200, body: Buffer.from([0, 0xff, 1]).toString('base64'), isBase64Encoded: true },
  empty: { statusCode: 204, headers: { 'x-request-id': 'r' } },
  bare: { statusCode: 200 },
  cookies: { statusCode: 200, cookies: ['a=1; HttpOnly', 'b=2'], body: '' },
};

/** Functions that fail, each in a different way. */
const failing: Record<string, Handler> = {
  rejects: () => Promise.reject(new Error('rejected')),
  throws: () => {
    throw new Error('thrown');
  },
  'answers-nothing': async () => undefined as unknown as Result,
  'answers-without-a-status': async () => ({ body: 'x' }),
  'answers-a-header-that-cannot-be-sent': async () => ({ statusCode: 200, headers: { 'x-a': 'a\r\nb' } }),
};

const answering = Object.fromEntries(
  Object.entries(answers).map(([name, answer]): [string, Handler] => [name, async () => answer]),
);
const functions = { ...answering, ...failing };
const routes = Object.keys(functions).map((name) => ({
  name,
  method: 'ANY' as const,
  paths: [`/${name}`],
  kind: 'read' as const,
  tenant: false,
}));

let gateway: TestGateway;

beforeAll(async () => {
  gateway = await startTestGateway(routes, functions);
});
afterAll(() => gateway.stop(0));

describe('the response of a function', () => {
  test('is sent with its status, its headers and the length of its body in bytes', async () => {
    const answer = await gateway.send({ target: '/text' });
    expect(answer.status).toBe(201);
    expect(answer.text).toBe('é日𝄞');
    expect(answer.headers).toMatchObject({
      'content-type': 'text/plain',
      'x-number': '7',
      'content-length': '9',
    });
  });

  test('in base64 is sent decoded', async () => {
    expect((await gateway.send({ target: '/base64' })).body).toEqual(Buffer.from([0, 0xff, 1]));
  });

  test('with the status 204 is sent without a body, a Content-Length and a Content-Type', async () => {
    const answer = await gateway.send({ target: '/empty' });
    expect(answer.status).toBe(204);
    expect(answer.body).toHaveLength(0);
    expect(answer.headers).toHaveProperty('x-request-id', 'r');
    expect(answer.headers).not.toHaveProperty('content-length');
    expect(answer.headers).not.toHaveProperty('content-type');
    expect(answer.headers).not.toHaveProperty('transfer-encoding');
  });

  test('without a body is sent with the Content-Length 0', async () => {
    expect((await gateway.send({ target: '/bare' })).headers).toHaveProperty('content-length', '0');
  });

  test('with several cookies is sent with one header for each', async () => {
    expect((await gateway.send({ target: '/cookies' })).headers['set-cookie']).toEqual([
      'a=1; HttpOnly',
      'b=2',
    ]);
  });

  test('to HEAD is sent with the Content-Length and without the body', async () => {
    const answer = await gateway.send({ method: 'HEAD', target: '/text' });
    expect(answer.headers).toHaveProperty('content-length', '9');
    expect(answer.body).toHaveLength(0);
  });

  test('leaves the connection open for the next request', async () => {
    const socket = await openConnection(gateway.port);
    const get = (extra = '') => `GET /text HTTP/1.1\r\nHost: a\r\n${extra}\r\n`;
    socket.write(get());
    await once(socket, 'readable');
    socket.write(get('Connection: close\r\n'));
    expect((await readToEnd(socket)).match(/HTTP\/1\.1 201 Created\r\n/g)).toHaveLength(2);
  });
});

test('a request to upgrade to HTTP/2 is answered in HTTP/1.1', async () => {
  const socket = await openConnection(gateway.port);
  const headers =
    'Host: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n';
  socket.write(`GET /text HTTP/1.1\r\n${headers}\r\n`);
  socket.end();
  expect(await readToEnd(socket)).toMatch(/^HTTP\/1\.1 201 Created\r\n/);
});

describe('a function that fails', () => {
  test.each(Object.keys(failing))("is answered with the gateway's 500 and reported: %s", async (name) => {
    const before = gateway.faults.length;
    const answer = await gateway.send({ target: `/${name}` });
    expect(answer.status).toBe(500);
    expect(answer.headers).toHaveProperty('content-type', 'application/json');
    expect(answer.text).toBe('{"message":"Internal Server Error"}');
    expect(gateway.faults.slice(before)).toEqual([[name, expect.any(Error)]]);
  });
});

describe('a client that disconnects', () => {
  test('before the end of its body invokes no function', async () => {
    let invoked = 0;
    const counting: Handler = async () => {
      invoked++;
      return { statusCode: 200 };
    };
    const counted = await startTestGateway([], { 'not-found': counting });
    const socket = await openConnection(counted.port);
    socket.write('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\nExpect: 100-continue\r\n\r\n');
    // The server has sent 100 Continue: it is reading the request.
    await once(socket, 'readable');
    socket.write('half');
    socket.destroy();
    await once(socket, 'close');
    expect((await rawRequest(counted.port, { target: '/' })).status).toBe(200);
    await counted.stop(5000);
    expect(invoked).toBe(1);
    expect(counted.faults).toEqual([]);
  });

  test('before the response does not affect the next request and causes no fault', async () => {
    const begun = Promise.withResolvers<void>();
    const released = Promise.withResolvers<Result>();
    const waiting: Handler = () => {
      begun.resolve();
      return released.promise;
    };
    const held = await startTestGateway([], { 'not-found': waiting });
    const socket = await openConnection(held.port);
    socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    await begun.promise;
    socket.destroy();
    await once(socket, 'close');
    released.resolve({ statusCode: 200, body: 'nobody reads this' });
    expect((await rawRequest(held.port, { target: '/' })).status).toBe(200);
    await held.stop(5000);
    expect(held.faults).toEqual([]);
  });
});

describe('a gateway that stops', () => {
  test('finishes a request in progress, and closes its connection', async () => {
    const begun = Promise.withResolvers<void>();
    const released = Promise.withResolvers<Result>();
    const waiting: Handler = () => {
      begun.resolve();
      return released.promise;
    };
    const held = await startTestGateway([], { 'not-found': waiting });
    const socket = await openConnection(held.port);
    socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    await begun.promise;

    const stopped = held.stop(20_000);
    await expect(openConnection(held.port)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    released.resolve({ statusCode: 200, body: 'done' });
    const answer = await readToEnd(socket);
    expect(answer).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
    expect(answer).toMatch(/^connection: close\r$/im);
    expect(answer).toMatch(/\r\n\r\ndone$/);
    await stopped;
  });

  test('aborts a request that takes longer than the grace period', async () => {
    const begun = Promise.withResolvers<void>();
    const never: Handler = () => {
      begun.resolve();
      return new Promise(() => {});
    };
    const held = await startTestGateway([], { 'not-found': never });
    const answer = rawRequest(held.port, { target: '/' });
    await Promise.race([begun.promise, answer]);
    const cut = expect(answer).rejects.toMatchObject({ code: 'ECONNRESET' });
    await held.stop(10);
    await cut;
  });

  test('closes idle connections', async () => {
    const idle = await startTestGateway([], {});
    const socket = await openConnection(idle.port);
    socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    await once(socket, 'readable');
    const ended = readToEnd(socket);
    await idle.stop(20_000);
    expect(await ended).toMatch(/^HTTP\/1\.1 200 OK/);
  });

  test('closes connections that have sent nothing, without waiting for the grace period', async ({
    onTestFinished,
  }) => {
    const idle = await startTestGateway([], {});
    const socket = await openConnection(idle.port);
    onTestFinished(() => void socket.destroy());
    // Connections are accepted in order: when this request is answered, the server has accepted the earlier connection.
    await idle.send({ target: '/' });
    const ended = readToEnd(socket);
    await idle.stop(120_000);
    expect(await ended).toBe('');
  });
});
