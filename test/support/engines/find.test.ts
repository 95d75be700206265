import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { find, findClusterEngine, findEngine } from './find.ts';

let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'cache-find-'));
});
afterEach(async () => {
  await rm(directory, { recursive: true });
});

/** Makes the machine's own engine known under another name, in the directory alone. */
async function present(...commands: string[]): Promise<void> {
  const { path } = await findClusterEngine();
  for (const command of commands) await symlink(path, join(directory, command));
}

test('Dragonfly comes before Valkey, and Valkey before Redis, whatever the order on the PATH', async () => {
  await present('redis-server');
  expect(await find('cache', directory)).toMatchObject({ name: 'redis-server' });
  await present('valkey-server');
  expect(await find('cache', directory)).toMatchObject({ name: 'valkey-server' });
  await present('dragonfly');
  expect(await find('cache', directory)).toMatchObject({
    name: 'dragonfly',
    path: join(directory, 'dragonfly'),
  });
});

test('Dragonfly is never taken for a cluster', async () => {
  await present('dragonfly', 'redis-server');
  expect(await find('cluster', directory)).toMatchObject({ name: 'redis-server' });
});

test('a directory earlier on the PATH wins', async () => {
  await present('redis-server');
  const empty = join(directory, 'none');
  expect(await find('cache', `${empty}${delimiter}${directory}${delimiter}/usr/bin`)).toMatchObject({
    path: join(directory, 'redis-server'),
  });
});

test('what cannot be executed is no engine', async () => {
  await writeFile(join(directory, 'dragonfly'), '', { mode: 0o644 });
  await mkdir(join(directory, 'valkey-server'));
  await present('redis-server');
  expect(await find('cache', directory)).toMatchObject({ name: 'redis-server' });
});

test('what cannot be found nor installed is an error that says what to install', async () => {
  const missing = find('cache', directory);
  await expect(missing).rejects.toThrow('none of dragonfly, valkey-server, redis-server is on the PATH');
  await expect(missing).rejects.toThrow('sudo apt-get install redis-server');
  await expect(find('cluster', directory)).rejects.toThrow('none of valkey-server, redis-server');
});

test('this machine has an engine for a server and one for a cluster, and tells their versions', async () => {
  for (const engine of [await findEngine(), await findClusterEngine()]) {
    expect(engine.version).toMatch(/^\d+\.\d+/);
  }
});
