import { once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import { type AddressInfo, createServer, type Server as NetServer, type Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, type TestContext, test } from 'vitest';
import { freePort, LOOPBACK } from '../support/engines/ports.ts';
import { type Server, startServer } from '../support/engines/server.ts';
import { firstRows } from '../support/long-run.ts';
import { rawRequest } from './gateway-raw.ts';
import { startService } from './service.ts';

const SECRET = 'open-sesame';

/** BACKEND_TIMEOUT_MS: long enough for a busy machine to detect the cause, and short enough to wait for in each test. */
const TIMEOUT_MS = 3000;

let open: Server;
let locked: Server;
let encrypted: Server;
let nobody: number;

beforeAll(async () => {
  [open, locked, encrypted, nobody] = await Promise.all([
    startServer(),
    startServer({ password: 'something else' }),
    startServer({ tls: true }),
    freePort(),
  ]);
});
afterAll(() => Promise.all([open, locked, encrypted].map((server) => server?.stop())));

/** Starts a service with the URL and sends it one request. @returns the output of the service and the response's status */
async function startOn(url: string): Promise<{ stdout: string; stderr: string; status: number }> {
  const service = await startService({ DRAGONFLY_URL: url, BACKEND_TIMEOUT_MS: String(TIMEOUT_MS) });
  try {
    const { status } = await rawRequest(service.port, {
      target: '/api/v1/cache/a',
      headers: ['X-Tenant-ID', 'acme'],
    });
    return { stdout: service.stdout(), stderr: service.stderr(), status };
  } finally {
    await service.stop();
  }
}

/** The problems that the service has logged about its connection. */
const loggedProblems = (stdout: string) =>
  [...stdout.matchAll(/"message":"backend connection".*?"error":"([^"]*)"/g)].map(([, error]) => error);

describe.concurrent('a service whose DRAGONFLY_URL does not match its backend prints the reason in one line and answers 503', () => {
  const MISMATCHES: [string, () => string, string][] = [
    [
      'a wrong password',
      () => `dragonfly://:${SECRET}@127.0.0.1:${locked.port}`,
      'it rejects the user and password',
    ],
    ['no password', () => `dragonfly://127.0.0.1:${locked.port}`, 'it requires a password and received none'],
    [
      'an untrusted certificate',
      () => `dragonflys://:${SECRET}@127.0.0.1:${encrypted.port}`,
      'its certificate is not trusted, see NODE_EXTRA_CA_CERTS',
    ],
    [
      'TLS to a server without TLS',
      () => `dragonflys://:${SECRET}@127.0.0.1:${open.port}`,
      'it does not speak TLS, which DRAGONFLY_URL requires',
    ],
    [
      'no TLS to a server with TLS',
      () => `dragonfly://127.0.0.1:${encrypted.port}`,
      'it closes every connection; if it requires TLS, use dragonflys://…',
    ],
    [
      'cluster=true for a single server',
      () => `dragonfly://127.0.0.1:${open.port}?cluster=true`,
      'it is not a cluster',
    ],
    [
      'a database number that does not exist',
      () => `dragonfly://127.0.0.1:${open.port}/99`,
      'it has no database with this number',
    ],
    ['a port on which no server listens', () => `dragonfly://127.0.0.1:${nobody}`, 'nothing listens there'],
  ];
  test.for(firstRows(4, MISMATCHES))('%s', async ([_, url, reason]) => {
    const { stdout, stderr, status } = await startOn(url());
    expect(stderr).toBe(
      `The backend does not answer yet (${reason}): until it does, requests are answered 503.\n`,
    );
    expect(status).toBe(503);
    expect(stdout + stderr).not.toContain(SECRET);
  });
});

/** Starts a server that is not a Redis server, and stops it after the test. @returns its address */
async function startOther(server: NetServer, { onTestFinished }: TestContext): Promise<string> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
  });
  server.listen(0, LOOPBACK);
  await once(server, 'listening');
  onTestFinished(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return `${LOOPBACK}:${(server.address() as AddressInfo).port}`;
}

/** A server that calls `greet` when a connection is opened. */
const greetingServer = (greet: (socket: Socket) => void) => () => createServer(greet);
/** A server that calls `reply` when a connection has sent its first bytes. */
const replyingServer = (reply: (socket: Socket) => void) => () =>
  createServer((socket) => socket.once('data', () => reply(socket)));

describe.concurrent.each(firstRows(1, ['', '?cluster=true']))(
  'a service whose backend is not a Redis server (%s)',
  (query) => {
    const OTHERS: [string, () => NetServer, string][] = [
      ['an HTTP server', () => createHttpServer((_, response) => response.end('Hello')), ''],
      [
        'an HTTP server that closes the connection',
        replyingServer((socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n')),
        '',
      ],
      ['an SSH server', greetingServer((socket) => socket.write('SSH-2.0-OpenSSH_9.2\r\n')), ''],
      [
        'a TLS server that sends an alert',
        replyingServer((socket) => socket.end(Buffer.from([0x15, 3, 3, 0, 2, 2, 70]))),
        ': it wants TLS, dragonflys://…',
      ],
    ];
    test.for(firstRows(1, OTHERS))(
      'reports that %s does not speak the Redis protocol',
      async ([_, create, hint], context) => {
        const address = await startOther(create(), context);
        const { stdout, stderr, status } = await startOn(`redis://${address}${query}`);
        const line = `${address} answers, but does not speak the Redis protocol${hint}`;
        expect(stderr).toBe(`${line}. Correct DRAGONFLY_URL: until then, requests are answered 503.\n`);
        expect(loggedProblems(stdout)).toEqual([line]);
        expect(status).toBe(503);
      },
    );

    const SILENT: [string, () => NetServer, reason: string][] = [
      [
        'closes each connection after the first bytes',
        replyingServer((socket) => socket.end()),
        'it closes every connection; if it requires TLS, use dragonflys://…',
      ],
      [
        'closes each connection at once',
        greetingServer((socket) => socket.end()),
        'it closes every connection; if it requires TLS, use dragonflys://…',
      ],
      ['never answers', greetingServer(() => {}), 'it accepts connections, but does not answer'],
    ];
    test.for(firstRows(1, SILENT))('reports that a server %s', async ([_, create, reason], context) => {
      const address = await startOther(create(), context);
      const { stdout, stderr, status } = await startOn(`redis://${address}${query}`);
      expect(stderr).toBe(
        `The backend does not answer yet (${reason}): until it does, requests are answered 503.\n`,
      );
      expect(loggedProblems(stdout)).toEqual([
        expect.stringMatching(/^Socket timeout|closes the connection without an answer$/),
      ]);
      expect(status).toBe(503);
    });
  },
);

test.each(firstRows(1, ['', '?cluster=true']))(
  'an unreachable backend is logged once, even if requests and reconnections fail (%s)',
  async (query) => {
    const { stdout } = await startOn(`dragonfly://127.0.0.1:${nobody}${query}`);
    expect(loggedProblems(stdout)).toEqual([`connect ECONNREFUSED 127.0.0.1:${nobody}`]);
  },
);
