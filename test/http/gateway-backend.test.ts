import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { freePort } from '../support/engines/ports.ts';
import { type Server, startServer } from '../support/engines/server.ts';
import { rawRequest } from './gateway-raw.ts';
import { startService } from './service.ts';

const SECRET = 'open-sesame';

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

/** What the service has to say when it starts on a backend that is not as the URL says, and has answered a request. */
async function startOn(url: string): Promise<{ stdout: string; stderr: string; status: number }> {
  const service = await startService({ DRAGONFLY_URL: url });
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

const says = (reason: string) =>
  `The backend does not answer yet (${reason}): until it does, requests are answered 503.\n`;

// Again where the machine stood still for so long that the client gave up connecting before it was told anything.
const again = { retry: 3 };

describe(
  'a service whose backend is not as its URL says tells so in one line, and answers 503',
  again,
  () => {
    test.each([
      [
        'a wrong password',
        () => `dragonfly://:${SECRET}@127.0.0.1:${locked.port}`,
        'it refuses the user and password',
      ],
      ['no password', () => `dragonfly://127.0.0.1:${locked.port}`, 'it wants a password and is given none'],
      [
        'a certificate that nobody knows',
        () => `dragonflys://:${SECRET}@127.0.0.1:${encrypted.port}`,
        'its certificate is not trusted, see NODE_EXTRA_CA_CERTS',
      ],
      [
        'TLS where there is none',
        () => `dragonflys://:${SECRET}@127.0.0.1:${open.port}`,
        'it does not answer by TLS, which DRAGONFLY_URL asks for',
      ],
      [
        'no TLS where there is',
        () => `dragonfly://127.0.0.1:${encrypted.port}`,
        'it ends every connection, as it does if it wants TLS, dragonflys://…',
      ],
      ['a cluster that is none', () => `dragonfly://127.0.0.1:${open.port}?cluster=true`, 'it is no cluster'],
      [
        'a database that there is not',
        () => `dragonfly://127.0.0.1:${open.port}/99`,
        'it has no database of this number',
      ],
    ])('%s', async (_, url, reason) => {
      const { stdout, stderr, status } = await startOn(url());
      expect(stderr).toBe(says(reason));
      expect(status).toBe(503);
      expect(stdout + stderr).not.toContain(SECRET);
    });
  },
);

test('a cluster that is away is told of once in the log, whatever is tried meanwhile', async () => {
  const { stdout } = await startOn(`dragonfly://127.0.0.1:${nobody}?cluster=true`);
  const told = [...stdout.matchAll(/"message":"backend connection".*?"error":"([^"]*)"/g)].map(
    ([, error]) => error,
  );
  expect(told.length).toBeGreaterThan(0);
  expect(told).toEqual([...new Set(told)]);
});
