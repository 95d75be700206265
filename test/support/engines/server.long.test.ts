import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, rmdir } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { Redis } from 'ioredis';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { infoFields, rawClient, withRawClient } from './inspect.ts';
import { LOOPBACK } from './ports.ts';
import { type Server, type ServerOptions, startServer } from './server.ts';

const running: Server[] = [];

async function start(options?: ServerOptions): Promise<Server> {
  const server = await startServer(options);
  running.push(server);
  return server;
}

afterEach(async () => {
  vi.unstubAllEnvs();
  for (const server of running.splice(0)) await server.stop();
});

const set = ({ url, ca }: Server, key: string) =>
  withRawClient(url, (client) => client.set(key, 'yes'), { ca });
const get = ({ url, ca }: Server, key: string) => withRawClient(url, (client) => client.get(key), { ca });

function exists(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

describe('a server', () => {
  test('responds as soon as startServer returns, on loopback, with the pid that it reports', async () => {
    const server = await start();
    expect(server.url).toBe(`redis://${LOOPBACK}:${server.port}`);
    expect(await set(server, 'a')).toBe('OK');
    const fields = await withRawClient(server.url, (client) => infoFields(client as Redis, 'server'));
    expect(fields.process_id).toBe(String(server.pid));
  });

  test('shares no data with another server', async () => {
    const [one, other] = await Promise.all([start(), start()]);
    await set(one, 'a');
    expect(await get(other, 'a')).toBeNull();
    expect(one.port).not.toBe(other.port);
  });

  test('accepts arguments of its engine', async () => {
    const server = await start({ args: ['--maxclients', '7'] });
    const connect = await withRawClient(server.url, (client) => client.call('CONFIG', 'GET', 'maxclients'));
    expect(JSON.stringify(connect)).toContain('7');
  });

  test('that does not start is an error that contains its output, and leaves nothing behind', async () => {
    const parent = await mkdtemp(join(tmpdir(), 'cache-test-'));
    vi.stubEnv('TMPDIR', parent);
    await expect(startServer({ args: ['--no-such-setting', 'yes'] })).rejects.toThrow(/no-such-setting/i);
    expect(await readdir(parent)).toEqual([]);
    await rmdir(parent);
  });
});

describe('access', () => {
  test('with a password requires the password', async () => {
    const server = await start({ password: 'p"\\w@:/%' });
    expect(await set(server, 'a')).toBe('OK');
    await expect(
      withRawClient(`redis://${LOOPBACK}:${server.port}`, (client) => client.get('a')),
    ).rejects.toThrow(/NOAUTH/);
  });

  test.each([undefined, 'main'])(
    'with additional users follows their rules (default password: %s)',
    async (password) => {
      const server = await start({ password, users: { cache: 'on >secret ~c:* &* +@all -flushall' } });
      expect(await set(server, 'a')).toBe('OK');
      const url = `redis://cache:secret@${LOOPBACK}:${server.port}`;
      await withRawClient(url, async (client) => {
        expect(await client.set('c:1', 'yes')).toBe('OK');
        await expect(client.set('d:1', 'yes')).rejects.toThrow(/NOPERM/);
        await expect(client.flushall()).rejects.toThrow(/NOPERM/);
      });
    },
  );

  test('by TLS requires a client that trusts its authority', async () => {
    const server = await start({ tls: true, password: 'secret' });
    expect(server.url).toBe(`rediss://:secret@${LOOPBACK}:${server.port}`);
    expect(await set(server, 'a')).toBe('OK');
    await expect(rawClient(server.url)).rejects.toThrow(/certificate/);
    await expect(rawClient(server.url.replace('rediss', 'redis'))).rejects.toThrow();
  });

  test('by TLS works for a process with the authority in NODE_EXTRA_CA_CERTS', async () => {
    const server = await start({ tls: true, password: 'secret' });
    const script = `
      import { Redis } from 'ioredis';
      const client = new Redis(process.argv[1], { retryStrategy: () => null });
      console.log(await client.ping());
      await client.quit();`;
    const args = ['--input-type=module', '--eval', script, server.url];
    const { stdout } = await promisify(execFile)(process.execPath, args, {
      env: { NODE_EXTRA_CA_CERTS: server.caFile },
    });
    expect(stdout.trim()).toBe('PONG');
  });
});

describe('faults', () => {
  test('a paused server keeps its connections and does not respond until it is resumed', async () => {
    const server = await start();
    const client = new Redis(server.port, server.host);
    await client.ping();
    server.pause();
    let responded = false;
    const pending = client.set('a', 'yes').then((connect) => {
      responded = true;
      return connect;
    });
    const socket = connect(server.port, server.host);
    await once(socket, 'connect');
    await sleep(150);
    expect(responded).toBe(false);
    server.resume();
    expect(await pending).toBe('OK');
    socket.destroy();
    await client.quit();
  });

  test.each(['running', 'paused'])('a %s server has ended when kill returns', async (state) => {
    const server = await start();
    if (state === 'paused') server.pause();
    const { pid } = server;
    await server.kill();
    expect(exists(pid)).toBe(false);
    await expect(rawClient(server.url)).rejects.toThrow(/ECONNREFUSED/);
    expect(() => server.pause()).toThrow(/has ended/);
  });

  test.each(['running', 'killed'])('a %s server restarts empty on the same port', async (state) => {
    const server = await start({ password: 'secret', users: { cache: 'on >other ~* &* +@all' } });
    await set(server, 'a');
    const { pid } = server;
    if (state === 'killed') await server.kill();
    await server.restart();
    expect(server.pid).not.toBe(pid);
    expect(exists(pid)).toBe(false);
    expect(await get(server, 'a')).toBeNull();
    await withRawClient(`redis://cache:other@${LOOPBACK}:${server.port}`, (client) => client.ping());
  });
});

describe('the end', () => {
  test('stop removes the process and its directory, in any state and more than once', async () => {
    const server = await start({ tls: true, password: 'secret' });
    const { caFile = '', pid } = server;
    expect(existsSync(caFile)).toBe(true);
    server.pause();
    await server.stop();
    expect(exists(pid)).toBe(false);
    expect(existsSync(join(caFile, '..'))).toBe(false);
    await server.stop();
  });

  test.each(['SIGKILL', 'SIGINT', 'SIGTERM'] as const)(
    'a server ends with its parent process after %s',
    async (signal) => {
      const script = `
      import { startServer } from ${JSON.stringify(join(import.meta.dirname, 'server.ts'))};
      const server = await startServer({ tls: true, password: 'secret' });
      console.log(server.port, server.caFile);
      setInterval(() => {}, 1000);`;
      const child = spawn(process.execPath, ['--input-type=module', '--eval', script], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      const [line] = await once(child.stdout, 'data');
      const [port = '', caFile = ''] = String(line).trim().split(' ');
      expect(existsSync(caFile)).toBe(true);
      child.kill(signal);
      // Checks the port and not the pid, which exists until the init process has collected it.
      const connect = () => rawClient(`redis://${LOOPBACK}:${port}`).catch((error) => error.code);
      await expect.poll(connect).toBe('ECONNREFUSED');
      await expect.poll(() => existsSync(caFile)).toBe(false);
    },
  );
});
