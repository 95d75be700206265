import { once } from 'node:events';
import type { Socket } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, inject, test } from 'vitest';
import { freePort } from '../support/engines/ports.ts';
import { firstRows } from '../support/long-run.ts';
import { openConnection, rawRequest } from './gateway-raw.ts';
import { runService, type Service, startService } from './service.ts';

const PATIENCE_MS = 60_000;

const started: Service[] = [];

/** Starts a service with two workers on the shared backend. */
async function startWorkers(env: Record<string, string> = {}): Promise<{ service: Service; pids: number[] }> {
  const service = await startService({
    DRAGONFLY_URL: inject('singleUrl'),
    SERVICE_WORKERS: '2',
    ...env,
  });
  const [, pids = ''] = /^Workers: 2 \(processes (.*)\)$/m.exec(service.stdout()) ?? [];
  return { service, pids: pids.split(', ').map(Number) };
}

/** The same for one test, which need not stop it. */
async function start(env: Record<string, string> = {}): ReturnType<typeof startWorkers> {
  const workers = await startWorkers(env);
  started.push(workers.service);
  return workers;
}

afterEach(async () => {
  await Promise.all(started.splice(0).map((service) => service.stop()));
});

/** The lines of the service's log with this message. */
function logged({ stdout }: Service, message: string): Record<string, unknown>[] {
  const lines = stdout().split('\n').slice(0, -1);
  return lines
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line))
    .filter((line) => line.message === message);
}

/** Sends a request on an open connection, and waits for the response. */
async function isServed(socket: Socket): Promise<boolean> {
  socket.write('GET /health HTTP/1.1\r\nHost: a\r\n\r\n');
  const [data] = await once(socket, 'data');
  return String(data).startsWith('HTTP/1.1 200 OK');
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    // The process has ended.
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
    throw error;
  }
}

describe('the local server with SERVICE_WORKERS=2', () => {
  let service: Service;
  let pids: number[];
  beforeAll(async () => {
    ({ service, pids } = await startWorkers());
  });
  afterAll(() => service?.stop());

  test('prints its start once, with the processes of its workers', () => {
    expect(new Set(pids).size).toBe(2);
    expect(pids).not.toContain(service.pid);
    expect(service.stdout().match(/ listens on /g)).toHaveLength(1);
    expect(service.stderr()).toBe('');
  });

  test('prints one line and exits with code 1 if the port is in use', async () => {
    const { code, stdout, stderr } = await runService({
      DRAGONFLY_URL: inject('singleUrl'),
      SERVICE_WORKERS: '2',
      SERVICE_PORT: String(service.port),
    });
    expect(stderr).toMatch(new RegExp(`^SERVICE_PORT ${service.port} is in use [^\\n]+\\n$`));
    expect(stdout).toBe('');
    expect(code).toBe(1);
  });

  // Last, because it stops the service.
  test('writes a whole line to the log for every request of every worker', async () => {
    const ids = Array.from({ length: 300 }, (_, index) => `request-${index}`);
    await Promise.all(
      ids.map((id) => rawRequest(service.port, { target: '/health', headers: ['X-Request-ID', id] })),
    );
    await service.stop();
    const found = logged(service, 'request').map((line) => String(line.request_id));
    expect(found.sort()).toEqual(ids.sort());
  });
});

describe('a local server of its own with SERVICE_WORKERS=2', () => {
  test.each(['SIGKILL', 'SIGTERM'] as const)(
    'loses only the connections of a worker that ends by %s, replaces it, and serves every request afterwards',
    async (signal) => {
      const { service, pids } = await start();
      const sockets = [await openConnection(service.port), await openConnection(service.port)];
      for (const socket of sockets) {
        socket.on('error', () => {});
        expect(await isServed(socket)).toBe(true);
      }
      const [pid] = pids as [number];
      const closed = Promise.race(sockets.map((socket) => once(socket, 'close').then(() => socket)));
      process.kill(pid, signal);
      const lost = await closed;
      const [other] = sockets.filter((socket) => socket !== lost);
      expect(await isServed(other as Socket)).toBe(true);
      other?.destroy();
      await expect
        .poll(() => logged(service, 'worker restarted'), { timeout: PATIENCE_MS })
        .toEqual([expect.objectContaining({ worker_pid: expect.any(Number) })]);
      expect(logged(service, 'worker ended')).toEqual([expect.objectContaining({ worker_pid: pid })]);
      const answers = await Promise.all(
        Array.from({ length: 20 }, () => rawRequest(service.port, { target: '/health' })),
      );
      expect(answers.map(({ status }) => status)).toEqual(new Array(20).fill(200));
    },
  );

  test('keeps a port that the system chose when all workers end at once', async () => {
    const { service, pids } = await start();
    for (const pid of pids) process.kill(pid, 'SIGKILL');
    await expect
      .poll(() => logged(service, 'worker restarted').length, { timeout: PATIENCE_MS })
      .toBe(pids.length);
    expect((await rawRequest(service.port, { target: '/health' })).status).toBe(200);
  });

  test.each(firstRows(1, ['SIGTERM', 'SIGINT'] as const))(
    'ends all workers and closes the port on %s',
    async (signal) => {
      const { service, pids } = await start();
      await service.stop(signal);
      expect(pids.filter(isAlive)).toEqual([]);
      await expect(openConnection(service.port)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
      expect(service.stderr()).toBe('');
    },
  );

  test('ends all workers when its first process is killed', async () => {
    const { service, pids } = await startWorkers();
    process.kill(service.pid, 'SIGKILL');
    await expect.poll(() => pids.filter(isAlive), { timeout: PATIENCE_MS }).toEqual([]);
  });

  test('prints once that the backend does not answer', async () => {
    const { service } = await start({
      DRAGONFLY_URL: `dragonfly://127.0.0.1:${await freePort()}`,
      // Long enough for a busy machine to detect the refused connection.
      BACKEND_TIMEOUT_MS: '2000',
    });
    expect(service.stderr()).toMatch(/^The backend does not answer yet [^\n]+\n$/);
  });
});
