import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, describe, expect, test } from 'vitest';
import { routes } from '../../lib/routes.ts';
import { freePort } from '../support/engines/ports.ts';
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

describe('the started service', () => {
  test('runs the same functions for HTTP as Lambda runs', async () => {
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
  ])("answers what no route takes with the contract's 404: %s %s", async (method, target) => {
    const { port } = await start();
    const answer = await rawRequest(port, { method, target, headers: JSON_HEADERS });
    expect(answer.status).toBe(404);
    expect(answer.json()).toMatchObject({ success: false, error: { code: 'NOT_FOUND' } });
  });

  test('prints every method and path of the table, and on which backend', async () => {
    const service = await start({ MEMORY_MAX_BYTES: '1048576' });
    const printed = service.stdout();
    for (const { method, paths } of routes) {
      for (const path of paths) expect(printed).toMatch(line(`  ${method.padEnd(6)} ${path}`));
    }
    expect(printed).toMatch(line('Backend: in memory, at most 1 MiB (DRAGONFLY_URL is not set)'));
    expect(service.stderr()).toBe('');
  });

  test('prints a curl line that a shell reads as it was meant, and that works', async () => {
    const { stdout } = await start();
    const command = /^Try: (curl .*)$/m.exec(stdout())?.[1] as string;
    // In place of curl, which not every machine has, a function that prints what the shell made of the line.
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

describe('a start that cannot succeed ends with code 1 and one line', () => {
  test.each([
    ['SERVICE_HOST', ''],
    // Of a network that is for documents, and a name that is longer than one can be.
    ['SERVICE_HOST', '203.0.113.7'],
    ['SERVICE_HOST', 'x'.repeat(300)],
    ['SERVICE_PORT', 'eighty'],
    ['SERVICE_PORT', '70000'],
    ['CORS_ORIGINS', 'https://a.example/path'],
    ['DEFAULT_TTL_SECONDS', '0'],
    ['MAX_VALUE_BYTES', '5 MB'],
    ['MEMORY_MAX_BYTES', '-1'],
    ['CACHE_SHARDS', 'many'],
    ['LOG_LEVEL', 'LOUD'],
    ['TENANT_CLAIM', 'tenant_id'],
    ['ENABLE_NATS', 'perhaps'],
    ['DRAGONFLY_URL', 'http://localhost'],
    ['DRAGONFLY_URL', 'dragonfly://someone:secret@host:port'],
  ])('that names the setting: %s=%s', async (name, value) => {
    const { code, stdout, stderr } = await runService({ [name]: value });
    expect(stderr).toMatch(new RegExp(`^${name} [^\\n]+\\n$`));
    expect(stderr).not.toContain('secret');
    expect(stdout).toBe('');
    expect(code).toBe(1);
  });

  test('that names the port that is in use', async () => {
    const { port } = await start();
    const { code, stdout, stderr } = await runService({ SERVICE_PORT: String(port) });
    expect(stderr).toBe(
      `SERVICE_PORT ${port} is in use by another process; use another one: SERVICE_PORT=${port + 1} npm start\n`,
    );
    expect(stdout).toBe('');
    expect(code).toBe(1);
  });
});

describe('a service whose backend does not answer at the start', () => {
  test('serves all the same, answers 503, and says so in one line without the password', async () => {
    const port = await freePort();
    // Time enough for a busy machine to find out why.
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
  test('ends with code 0, also while clients keep idle connections open', async () => {
    const { port, stop, stderr } = await start();
    const socket = await openConnection(port);
    socket.write('GET /health HTTP/1.1\r\nHost: a\r\n\r\n');
    await once(socket, 'readable');
    const ended = readToEnd(socket);
    await stop(signal);
    expect(await ended).toMatch(/^HTTP\/1\.1 200 OK/);
    expect(stderr()).toBe('');
  });

  test('takes no new connection, but finishes the request under way, also when told twice', async () => {
    const { port, pid, stop } = await start();
    const sent = openRequest(port, {
      method: 'POST',
      target: API,
      headers: [...JSON_HEADERS, 'Content-Length', String(SET.length), 'Expect', '100-continue'],
    });
    sent.flushHeaders();
    // Told to go on: the request is under way.
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

/** Waits until a port takes no more connections. */
async function refusesConnections(port: number): Promise<void> {
  let code: string | undefined;
  while (code !== 'ECONNREFUSED') {
    code = await openConnection(port).then(
      (socket) => {
        socket.destroy();
        return undefined;
      },
      // One that waited to be taken when the server stopped listening is reset: the next one tells.
      (error: NodeJS.ErrnoException) => error.code,
    );
  }
}

test('a request that takes longer than the grace does not keep the service from ending', async () => {
  const { port, stop } = await start();
  const socket = await openConnection(port);
  socket.on('error', () => {});
  socket.write(`POST ${API} HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n`);
  await once(socket, 'readable');
  await stop();
});

const ROOT = join(import.meta.dirname, '../..');

test('npm start ends on SIGTERM to npm, also where its shell does not forward the signal', async ({
  onTestFinished,
}) => {
  const npm = spawn('npm', ['start'], {
    cwd: ROOT,
    env: { ...process.env, SERVICE_PORT: '0' },
    stdio: ['ignore', 'pipe', 'inherit'],
    // A process group of its own, so that a failed test leaves no server behind.
    detached: true,
  });
  onTestFinished(() => endGroup(npm.pid as number));
  // The server inherits the pipe: it closes when npm, the shell and the server have all ended.
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
    // No process of the group is left.
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
