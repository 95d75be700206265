import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, describe, expect, inject, test } from 'vitest';
import { routes } from '../../lib/routes.ts';
import type { SharedService } from '../support/engines/global-setup.ts';
import { freePort } from '../support/engines/ports.ts';
import { firstRows } from '../support/long-run.ts';
import { openConnection, openRequest, rawRequest, readAnswer, readToEnd } from './gateway-raw.ts';
import { runService, type Service, startService } from './service.ts';

const API = '/api/v1/cache';
const JSON_HEADERS = ['Content-Type', 'application/json', 'X-Tenant-ID', 'acme'];
const SET = '{"key":"a b","value":1.0,"ttl":60}';

const started: Service[] = [];

async function start(env: Record<string, string> = {}): Promise<Service> {
  const service = await startService(env);
  started.push(service);
  return service;
}

afterEach(async () => {
  await Promise.all(started.splice(0).map((service) => service.stop()));
});

describe('the local server', () => {
  const shared = () => inject('services').find(({ backendUrl }) => backendUrl === undefined) as SharedService;

  test('sets, gets and deletes an entry over HTTP, and returns its health', async () => {
    const { port } = await start();
    const headers = JSON_HEADERS;
    const set = await rawRequest(port, { method: 'POST', target: API, headers, body: SET });
    expect(set.status).toBe(201);
    const hit = await rawRequest(port, { target: `${API}/a%20b`, headers });
    expect(hit.status).toBe(200);
    expect(hit.text).toContain('"value":1.0');
    expect((await rawRequest(port, { method: 'DELETE', target: `${API}/a%20b`, headers })).status).toBe(204);
    expect((await rawRequest(port, { target: `${API}?key=a+b`, headers })).json()).toMatchObject({
      data: { key: 'a b', found: false },
    });
    expect((await rawRequest(port, { target: '/health' })).json()).toMatchObject({ status: 'healthy' });
  });

  test.each([
    ['GET', '/nowhere'],
    ['GET', '/health/'],
    ['GET', `${API}/a%2Fb`],
    ['GET', `${API}/%3Fa`],
  ])("answers a path without a route with the contract's 404: %s %s", async (method, target) => {
    const answer = await rawRequest(shared().port, { method, target, headers: JSON_HEADERS });
    expect(answer.status).toBe(404);
    expect(answer.json()).toMatchObject({ success: false, error: { code: 'NOT_FOUND' } });
  });

  test('prints every route and the backend at its start', async () => {
    const service = await start({ MEMORY_MAX_BYTES: '1048576' });
    const printed = service.stdout();
    for (const { method, paths } of routes) {
      for (const path of paths) expect(printed).toMatch(line(`  ${method.padEnd(6)} ${path}`));
    }
    expect(printed).toMatch(line('Backend: in memory, at most 1 MiB (DRAGONFLY_URL is not set)'));
    expect(service.stderr()).toBe('');
  });

  test('prints a curl command that a shell parses correctly and that sets an entry', async () => {
    const { stdout } = await start();
    const command = /^Try: (curl .*)$/m.exec(stdout())?.[1] as string;
    // Not every machine has curl: a shell function in its place prints the arguments that the shell has parsed.
    const { stdout: printed } = await promisify(execFile)('bash', [
      '-c',
      `curl() { printf '%s\\0' "$@"; }\n${command}`,
    ]);
    const [flag, method, url = '', ...rest] = printed.split('\0').slice(0, -1);
    expect([flag, method]).toEqual(['-X', 'POST']);
    const values = (option: string) => rest.filter((_, index) => rest[index - 1] === option);
    const answer = await fetch(url, {
      method: 'POST',
      headers: values('-H').map((header) => header.split(': ') as [string, string]),
      body: values('-d')[0] ?? null,
    });
    expect(answer.status).toBe(201);
  });
});

function line(text: string): RegExp {
  return new RegExp(`^${text.replaceAll(/[\\^$.*+?()[\]{}|]/g, '\\$&')}$`, 'm');
}

describe('a failed start exits with code 1 and prints one line', () => {
  const INVALID = [
    // An address that is reserved for documentation, and a host name above the maximum length.
    ['SERVICE_HOST', '203.0.113.7'],
    ['SERVICE_HOST', 'x'.repeat(300)],
    // Without a backend.
    ['SERVICE_WORKERS', '2'],
    ['DRAGONFLY_URL', 'dragonfly://someone:secret@host:port'],
    ['SERVICE_HOST', ''],
    ['SERVICE_PORT', 'eighty'],
    ['SERVICE_PORT', '70000'],
    ['SERVICE_WORKERS', '0'],
    ['CORS_ORIGINS', 'https://a.example/path'],
    ['DEFAULT_TTL_SECONDS', '0'],
    ['MAX_VALUE_BYTES', '5 MB'],
    ['MEMORY_MAX_BYTES', '-1'],
    ['CACHE_SHARDS', 'many'],
    ['LOG_LEVEL', 'LOUD'],
    ['TENANT_CLAIM', 'tenant_id'],
    ['ENABLE_NATS', 'perhaps'],
    ['DRAGONFLY_URL', 'http://localhost'],
  ] as const;
  test.each(firstRows(4, INVALID))(
    'that contains the name of an invalid setting: %s=%s',
    async (name, value) => {
      const { code, stdout, stderr } = await runService({ [name]: value });
      expect(stderr).toMatch(new RegExp(`^${name} [^\\n]+\\n$`));
      expect(stderr).not.toContain('secret');
      expect(stdout).toBe('');
      expect(code).toBe(1);
    },
  );

  test('that contains the port if the port is in use', async () => {
    const { port } = await start();
    const { code, stdout, stderr } = await runService({ SERVICE_PORT: String(port) });
    expect(stderr).toBe(
      `SERVICE_PORT ${port} is in use by another process; use another one: SERVICE_PORT=${port + 1} npm start\n`,
    );
    expect(stdout).toBe('');
    expect(code).toBe(1);
  });
});

describe('a service whose backend is unreachable at the start', () => {
  test('starts, answers 503, and logs the outage once without the password', async () => {
    const port = await freePort();
    // Long enough for a busy machine to detect the refused connection.
    const service = await start({
      DRAGONFLY_URL: `dragonfly://someone:secret@127.0.0.1:${port}`,
      BACKEND_TIMEOUT_MS: '2000',
    });
    expect(service.stdout()).toMatch(line(`Backend: dragonfly at 127.0.0.1:${port} (database 0)`));
    const answer = await rawRequest(service.port, { target: `${API}/a`, headers: JSON_HEADERS });
    expect(answer.status).toBe(503);
    expect(answer.json()).toMatchObject({ error: { code: 'BACKEND_UNAVAILABLE' } });
    expect((await rawRequest(service.port, { target: '/health' })).status).toBe(503);
    expect(service.stderr()).toBe(
      'The backend does not answer yet (nothing listens there): until it does, requests are answered 503.\n',
    );
    expect(service.stdout() + service.stderr()).not.toContain('secret');
  });
});

describe.each(['SIGTERM', 'SIGINT'] as const)('on %s the service', (signal) => {
  test('exits with code 0 even if clients keep idle connections open', async () => {
    const { port, stop, stderr } = await start();
    const socket = await openConnection(port);
    socket.write('GET /health HTTP/1.1\r\nHost: a\r\n\r\n');
    await once(socket, 'readable');
    const ended = readToEnd(socket);
    await stop(signal);
    expect(await ended).toMatch(/^HTTP\/1\.1 200 OK/);
    expect(stderr()).toBe('');
  });

  test('accepts no new connection and finishes the request in progress, even if the signal is sent twice', async () => {
    const { port, pid, stop } = await start();
    const sent = openRequest(port, {
      method: 'POST',
      target: API,
      headers: [...JSON_HEADERS, 'Content-Length', String(SET.length), 'Expect', '100-continue'],
    });
    sent.flushHeaders();
    // The server has sent 100 Continue: the request is in progress.
    await once(sent, 'continue');
    const stopped = stop(signal);
    await refusesConnections(port);
    process.kill(pid, signal);
    sent.end(SET);
    const answer = await readAnswer(sent);
    expect(answer.status).toBe(201);
    expect(answer.headers).toHaveProperty('connection', 'close');
    await stopped;
  });
});

/** Waits until a port accepts no more connections. */
async function refusesConnections(port: number): Promise<void> {
  let code: string | undefined;
  while (code !== 'ECONNREFUSED') {
    code = await openConnection(port).then(
      (socket) => {
        socket.destroy();
        return undefined;
      },
      // A connection that was still in the accept queue is reset. The next attempt is refused.
      (error: NodeJS.ErrnoException) => error.code,
    );
  }
}

test('the service exits when the grace period ends, even if a request is still in progress', async () => {
  const { port, stop } = await start();
  const socket = await openConnection(port);
  socket.on('error', () => {});
  socket.write(`POST ${API} HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n`);
  await once(socket, 'readable');
  await stop();
});

const ROOT = join(import.meta.dirname, '../..');

test('npm start ends the server on SIGTERM to npm, even if the shell does not forward the signal', async ({
  onTestFinished,
}) => {
  const npm = spawn('npm', ['start'], {
    cwd: ROOT,
    env: { ...process.env, SERVICE_PORT: '0' },
    stdio: ['ignore', 'pipe', 'inherit'],
    // A separate process group, so that a failed test leaves no server running.
    detached: true,
  });
  onTestFinished(() => endGroup(npm.pid as number));
  // The server inherits the pipe. The pipe closes when npm, the shell and the server have all exited.
  const closed = once(npm, 'close');
  await new Promise<void>((resolve) => {
    let printed = '';
    npm.stdout.setEncoding('utf8').on('data', (text: string) => {
      printed += text;
      if (printed.includes('Try: ')) resolve();
    });
  });
  npm.kill('SIGTERM');
  await closed;
});

function endGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch (error) {
    // The group has no processes left.
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
