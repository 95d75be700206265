import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { find, versionOf } from '../support/engines/find.ts';

let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'cache-browser-'));
});
afterEach(() => rm(directory, { recursive: true }));

/** Something that tells its version as a browser does, under the browser's name. */
async function present(where: string, name: string, version: string): Promise<string> {
  const file = join(directory, where, name);
  await mkdir(join(directory, where), { recursive: true });
  await writeFile(file, `#!/bin/sh\necho '${version}'\n`, { mode: 0o755 });
  return file;
}

test('the search for a browser finds Chrome in its application folder, and prefers Chromium', async () => {
  const chrome = await present('Google Chrome.app', 'Google Chrome', 'Google Chrome 142.0.7444.59 ');
  const path = ['bin', 'Google Chrome.app'].map((where) => join(directory, where)).join(delimiter);
  const found = await find('browser', path);
  expect(found).toEqual({ name: 'Google Chrome', path: chrome });
  expect(await versionOf(found)).toBe('142.0.7444.59');
  const chromium = await present('bin', 'chromium', 'Chromium 156.0.8078.79 built on Debian GNU/Linux 12');
  const preferred = await find('browser', path);
  expect(preferred).toEqual({ name: 'chromium', path: chromium });
  expect(await versionOf(preferred)).toBe('156.0.8078.79');
});

test('a missing browser is an error that names the package to install', async () => {
  await expect(find('browser', directory)).rejects.toThrow(
    /^none of chromium, .*sudo apt-get install chromium; .*brew install --cask google-chrome$/,
  );
});
