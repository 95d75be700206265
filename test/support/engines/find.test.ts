import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { find, findClusterEngine, findEngine, installFor, usedBy, versionOf } from './find.ts';
import { onPath } from './path.ts';

let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'cache-find-'));
});
afterEach(async () => {
  await rm(directory, { recursive: true });
});

/** Adds links with other names to the machine's engine in the test's directory. */
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

test('Dragonfly is never used for a cluster', async () => {
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

test('a file that is not executable is not used', async () => {
  await writeFile(join(directory, 'dragonfly'), '', { mode: 0o644 });
  await mkdir(join(directory, 'valkey-server'));
  await present('redis-server');
  expect(await find('cache', directory)).toMatchObject({ name: 'redis-server' });
});

test('a missing program is an error that lists the packages to install', async () => {
  await expect(find('cache', directory)).rejects.toThrow(
    /^none of dragonfly, valkey-server, redis-server is on the PATH, .*sudo apt-get install redis-server/,
  );
  await expect(find('cluster', directory)).rejects.toThrow(/^none of valkey-server, redis-server is/);
  await expect(find('curl', directory)).rejects.toThrow(/^curl is not on the PATH, .*brew install curl$/);
});

test('this machine has an engine for a server and one for a cluster, and their versions can be read', async () => {
  for (const engine of [await findEngine(), await findClusterEngine()]) {
    expect(await versionOf(engine)).toMatch(/^\d+\.\d+/);
  }
});

test('every path in the list of tests that use programs exists', async () => {
  for (const path of Object.values(usedBy).flat()) {
    await expect(stat(join(import.meta.dirname, '../../..', path)), path).resolves.toBeDefined();
  }
});

describe('on a Debian machine, as root', () => {
  let temporary: string;

  beforeEach(async ({ skip }) => {
    skip(process.getuid?.() !== 0, 'packages are installed as root alone');
    skip((await onPath('flock', process.env.PATH ?? '')) === undefined, 'flock is a part of Linux alone');
    temporary = join(directory, 'tmp');
    await mkdir(temporary);
    // Suppress the progress output, which could be mistaken for the output of this run.
    vi.spyOn(process.stderr, 'write').mockReturnValue(true);
    vi.stubEnv('TMPDIR', temporary);
    vi.stubEnv('PATH', `${directory}${delimiter}${process.env.PATH}`);
    // A fake apt-get that records its arguments and provides a command for each package except one.
    const script = `#!/bin/sh
echo "$@" >>'${directory}/asked'
for package; do :; done
case "$*" in
  *python3) exit 100 ;;
  *install*) ln -s /bin/sh "${directory}/$package" ;;
esac`;
    await writeFile(join(directory, 'apt-get'), script, { mode: 0o755 });
  });
  afterEach(() => {
    vi.unstubAllEnvs();
    vi.restoreAllMocks();
  });

  /** Looks for curl in a child process. */
  const findAsProcess = (env: NodeJS.ProcessEnv) => {
    const [module, path] = [join(import.meta.dirname, 'find.ts'), directory].map((text) =>
      JSON.stringify(text),
    );
    const script = `console.log(await (await import(${module})).find('curl', ${path}))`;
    return promisify(execFile)(process.execPath, ['--input-type=module', '--eval', script], { env });
  };
  const asked = () => readFile(join(directory, 'asked'), 'utf8').catch(() => '');

  test('a test run installs the programs that its tests use before the tests, and leaves no other file behind', async () => {
    await present('redis-server');
    await installFor(['test/examples/languages.long.test.ts', 'test/infra/api.test.ts'], directory);
    expect(await asked()).toMatch(/^.*update\n.*install python3\n.*install curl\n$/);
    expect(await find('curl', directory)).toEqual({ name: 'curl', path: join(directory, 'curl') });
    await expect(find('python', directory)).rejects.toThrow(
      /^python3 is not on the PATH, and was not installed/,
    );
    expect(await readdir(temporary)).toEqual([]);
  });

  test('nothing is installed when no program is missing', async () => {
    await present('redis-server');
    await installFor(['test/unit/glob.test.ts'], directory);
    expect(await asked()).toBe('');
  });

  test('nothing is installed while tests run', async () => {
    await expect(find('curl', directory)).rejects.toThrow('curl is not on the PATH');
    expect(await asked()).toBe('');
  });

  test('a process that a test starts installs nothing', async () => {
    await expect(findAsProcess(process.env)).rejects.toThrow('curl is not on the PATH');
    expect(await asked()).toBe('');
  });

  test('a process outside of a test run installs the program that it looks for', async () => {
    const { VITEST: _, ...env } = process.env;
    const { stdout } = await findAsProcess(env);
    expect(stdout).toContain(join(directory, 'curl'));
  });
});
