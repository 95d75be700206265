import { once } from 'node:events';
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { startTestGateway, type TestGateway } from './gateway-echo.ts';
import { exchange, openRequest, type RawResponse, rawRequest, readAnswer } from './gateway-raw.ts';

const MAX_BODY_BYTES = 10 * 1024 ** 2;
const MAX_HEAD_BYTES = 10_240;
const ISO_TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

let gateway: TestGateway;

beforeAll(async () => {
  gateway = await startTestGateway([], {});
});
afterAll(() => gateway.stop(0));

/** The contract's failure envelope. Without `ids`, its identifiers are UUIDs. */
function failureOf(
  code: string,
  issuesOrDetails: unknown,
  ids: { correlation?: string; request?: string } = {},
) {
  return {
    success: false,
    error: { code, message: expect.any(String), details: issuesOrDetails },
    correlation_id: ids.correlation ?? expect.stringMatching(UUID),
    request_id: ids.request ?? expect.stringMatching(UUID),
    timestamp: expect.stringMatching(ISO_TIME),
  };
}

const issue = (field: string) => ({ issues: [{ field, message: expect.any(String) }] });

/** Splits a raw response into its parts. */
function parse(answer: string): { statusLine: string; headers: string; json: unknown } {
  const end = answer.indexOf('\r\n\r\n');
  const [statusLine = '', ...headers] = answer.slice(0, end).split('\r\n');
  return { statusLine, headers: headers.join('\n'), json: JSON.parse(answer.slice(end + 4)) };
}

async function expectAlive(): Promise<void> {
  expect((await rawRequest(gateway.port, { target: '/' })).status).toBe(200);
}

describe('a body of more than 10 MB', () => {
  const tooLarge = failureOf('PAYLOAD_TOO_LARGE', { max_bytes: MAX_BODY_BYTES });
  const expectRefused = (answer: RawResponse): void => {
    expect(answer.status).toBe(413);
    expect(answer.headers).toMatchObject({ 'content-type': 'application/json', connection: 'close' });
    expect(answer.json()).toEqual(tooLarge);
  };

  test('is rejected with 413 by its Content-Length, before the client sends it', async () => {
    const sent = openRequest(gateway.port, {
      method: 'POST',
      target: '/',
      headers: ['Content-Length', String(MAX_BODY_BYTES + 1)],
    });
    sent.flushHeaders();
    expectRefused(await readAnswer(sent));
    sent.destroy();
  });

  test('is rejected with 413 while it is being received, if it has no Content-Length', async () => {
    const sent = openRequest(gateway.port, {
      method: 'POST',
      target: '/',
      headers: ['Transfer-Encoding', 'chunked'],
    });
    sent.write(Buffer.alloc(MAX_BODY_BYTES + 1, 'x'));
    // The request has not been ended: the response does not wait for its end.
    expectRefused(await readAnswer(sent));
    sent.destroy();
  });

  test('is rejected with a 413 that a client can read after it has sent the whole body', async () => {
    const body = Buffer.alloc(MAX_BODY_BYTES + 1, 'x');
    expectRefused(await rawRequest(gateway.port, { method: 'POST', target: '/', body }));
  });

  test('is rejected with 413 and without 100 Continue, if the client waits for 100 Continue', async () => {
    const sent = openRequest(gateway.port, {
      method: 'POST',
      target: '/',
      headers: ['Content-Length', String(MAX_BODY_BYTES + 1), 'Expect', '100-continue'],
    });
    let askedFor = false;
    sent.on('continue', () => {
      askedFor = true;
    });
    sent.flushHeaders();
    expectRefused(await readAnswer(sent));
    expect(askedFor).toBe(false);
    sent.destroy();
  });

  test('is rejected with the identifiers of the request', async () => {
    const answer = await rawRequest(gateway.port, {
      method: 'POST',
      target: '/',
      headers: ['X-Correlation-ID', 'chain-1', 'X-Request-ID', 'link-2'],
      body: Buffer.alloc(MAX_BODY_BYTES + 1),
    });
    expect(answer.headers).toMatchObject({ 'x-correlation-id': 'chain-1', 'x-request-id': 'link-2' });
    expect(answer.json()).toMatchObject({ correlation_id: 'chain-1', request_id: 'link-2' });
  });
});

describe('a client that keeps its connection open after a rejection', () => {
  test.each([
    ['a body that is too large', 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10485761\r\n\r\nx', 413],
    ['a request that is not HTTP', 'hello\r\n\r\n', 400],
  ])('is disconnected after the response to %s', async (_, bytes, status) => {
    const socket = connect({ port: gateway.port, host: '127.0.0.1', allowHalfOpen: true });
    let answer = '';
    let closed = false;
    socket.on('data', (data) => {
      answer += data;
    });
    // A write to a closed connection is answered with a reset.
    const trickle = setInterval(() => socket.write('x'), 200);
    socket
      .on('error', () => {})
      .on('close', () => {
        closed = true;
      });
    try {
      socket.write(bytes);
      await expect.poll(() => answer).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
      expect(closed).toBe(false);
      await expect.poll(() => closed).toBe(true);
    } finally {
      clearInterval(trickle);
      socket.destroy();
    }
  });
});

test('a client that waits for 100 Continue receives it if its body is not too large', async () => {
  const sent = openRequest(gateway.port, {
    method: 'POST',
    target: '/',
    headers: ['Content-Length', '2', 'Expect', '100-continue'],
  });
  sent.flushHeaders();
  await once(sent, 'continue');
  sent.end('ok');
  expect((await readAnswer(sent)).json()).toMatchObject({ event: { body: 'ok' } });
});

describe('a request line with headers', () => {
  /** A request line and headers of `bytes` bytes. `where` contains most of them. */
  function headOf(bytes: number, where: 'target' | 'one header' | 'many headers'): string {
    const head = (target: string, headers: string) => `GET /${target} HTTP/1.1\r\nHost: a\r\n${headers}`;
    const rest = bytes - head('', '').length;
    if (where === 'target') return head('x'.repeat(rest), '');
    if (where === 'one header') return head('', `X-A: ${'x'.repeat(rest - 'X-A: \r\n'.length)}\r\n`);
    const each = 'A: b\r\n';
    const last = `X: ${'x'.repeat((rest % each.length) + 2 * each.length - 'X: \r\n'.length)}\r\n`;
    return head('', each.repeat(Math.floor(rest / each.length) - 2) + last);
  }

  const close = 'Connection: close\r\n';

  test.each(['target', 'one header', 'many headers'] as const)(
    'of 10,240 bytes is accepted (%s)',
    async (where) => {
      const head = headOf(MAX_HEAD_BYTES - close.length, where) + close;
      expect(head).toHaveLength(MAX_HEAD_BYTES);
      expect(await exchange(gateway.port, `${head}\r\n`)).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
    },
  );

  test.each(['target', 'one header', 'many headers'] as const)(
    'of 10,241 bytes is rejected with 431 (%s)',
    async (where) => {
      const answer = parse(await exchange(gateway.port, `${headOf(MAX_HEAD_BYTES + 1, where)}\r\n`));
      expect(answer.statusLine).toBe('HTTP/1.1 431 Request Header Fields Too Large');
      expect(answer.json).toEqual(failureOf('VALIDATION_ERROR', issue('headers')));
    },
  );

  test.each([11_000, 100_000])('without an end is rejected with 431 after %i bytes', async (bytes) => {
    const endless = `GET / HTTP/1.1\r\nHost: a\r\nX-A: ${'x'.repeat(bytes)}`;
    const answer = parse(await exchange(gateway.port, endless));
    expect(answer.statusLine).toBe('HTTP/1.1 431 Request Header Fields Too Large');
    expect(answer.headers).toMatch(/^content-type: application\/json$/m);
    expect(answer.json).toEqual(failureOf('VALIDATION_ERROR', issue('headers')));
    await expectAlive();
  });
});

describe('a request that is malformed', () => {
  test.each([
    ['no HTTP at all', 'hello\r\n\r\n'],
    ['a method that does not exist', 'FETCH / HTTP/1.1\r\nHost: a\r\n\r\n'],
    ['a space in the request target', 'GET /a b HTTP/1.1\r\nHost: a\r\n\r\n'],
    ['a path that is not percent-encoded', 'GET /\xe6\x97\xa5 HTTP/1.1\r\nHost: a\r\n\r\n'],
    ['a query that is not percent-encoded', 'GET /?a=\xe6\x97\xa5 HTTP/1.1\r\nHost: a\r\n\r\n'],
    ['a header without a colon', 'GET / HTTP/1.1\r\nHost: a\r\nnonsense\r\n\r\n'],
    [
      'two Content-Length headers',
      'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab',
    ],
    [
      'a Content-Length and a chunked body',
      'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    ],
    ['a chunk without a size', 'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n\r\n'],
  ])('is answered with 400: %s', async (_, bytes) => {
    const answer = parse(await exchange(gateway.port, bytes));
    expect(answer.statusLine).toBe('HTTP/1.1 400 Bad Request');
    expect(answer.headers).toMatch(/^content-type: application\/json$/m);
    expect(answer.headers).toMatch(/^connection: close$/m);
    expect(answer.json).toEqual(failureOf('VALIDATION_ERROR', issue('request')));
    await expectAlive();
  });

  test('is answered with 400: no Host header', async () => {
    const answer = parse(await exchange(gateway.port, 'GET / HTTP/1.1\r\n\r\n'));
    expect(answer.statusLine).toBe('HTTP/1.1 400 Bad Request');
    expect(answer.json).toEqual(failureOf('VALIDATION_ERROR', issue('Host')));
  });

  test('is answered with 200: no Host header in HTTP/1.0, which does not require one', async () => {
    expect(await exchange(gateway.port, 'GET / HTTP/1.0\r\n\r\n')).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
  });
});

describe('a path that is not percent-encoded UTF-8', () => {
  test.each(['/a%', '/a%zz', '/%FF', '/%C0%AF', '/%ED%A0%80'])('is rejected with 400: %j', async (target) => {
    const headers = ['X-Correlation-ID', 'chain-1', 'X-Request-ID', 'link-2'];
    const answer = await rawRequest(gateway.port, { target, headers });
    expect(answer.status).toBe(400);
    expect(answer.json()).toEqual(
      failureOf('VALIDATION_ERROR', issue('path'), { correlation: 'chain-1', request: 'link-2' }),
    );
  });
});

describe('a request that is not complete before the timeout', () => {
  const start = async () => {
    const slow = await startTestGateway(
      [],
      {},
      {
        headersTimeout: 2000,
        requestTimeout: 2000,
        connectionsCheckingInterval: 50,
      },
    );
    onTestFinished(() => slow.stop(0));
    return slow;
  };

  test('is answered with 408 and its identifiers if its body stalls, and the connection is closed', async () => {
    const { port } = await start();
    const answer = parse(
      await exchange(
        port,
        'POST / HTTP/1.1\r\nHost: a\r\nX-Correlation-ID: chain-1\r\nX-Request-ID: link-2\r\nContent-Length: 9\r\n\r\nhalf',
      ),
    );
    expect(answer.statusLine).toBe('HTTP/1.1 408 Request Timeout');
    expect(answer.headers).toMatch(/^connection: close$/m);
    expect(answer.json).toEqual(
      failureOf('VALIDATION_ERROR', issue('request'), { correlation: 'chain-1', request: 'link-2' }),
    );
  });

  test('is answered with 408 if its headers stall, and the connection is closed', async () => {
    const { port } = await start();
    const answer = parse(await exchange(port, 'GET / HTTP/1.1\r\nHost: a\r\n'));
    expect(answer.statusLine).toBe('HTTP/1.1 408 Request Timeout');
    expect(answer.json).toEqual(failureOf('VALIDATION_ERROR', issue('request')));
  });
});
