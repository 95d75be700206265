import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, expect, test } from 'vitest';

const ROOT = join(import.meta.dirname, '../../..');
const VITEST = join(ROOT, 'node_modules/vitest/vitest.mjs');

/** Timeout of a test, in milliseconds. Each starts a test run, which is slow on a busy machine. */
const timeout = 120_000;

let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'cache-skipped-'));
});
afterEach(() => rm(directory, { recursive: true }));

/** Starts a test run without any program on the PATH, and returns what it prints to stderr. */
async function run(...args: string[]): Promise<string> {
  const config = ['--config', 'test/support/engines/fixtures/vitest.config.ts'];
  const env = { ...process.env, PATH: directory };
  const { stderr } = await promisify(execFile)(process.execPath, [VITEST, 'run', ...config, ...args], {
    cwd: ROOT,
    env,
  });
  return stderr;
}

test.each(['default', 'json'])(
  'a run with the reporter "%s" ends with a list of the skipped tests by reason',
  { timeout },
  async (reporter) => {
    const printed = await run(
      `--reporter=${reporter}`,
      `--outputFile.json=${join(directory, 'report.json')}`,
    );
    expect(printed).toMatch(
      /\nSkipped \(2\): curl is not on the PATH, .*\n {2}test\/support\/engines\/fixtures\/skipping\.ts > curl > is installed\n {2}.* > curl > is still installed\n/,
    );
    expect(printed).toMatch(/\nSkipped \(1\): Earth has one moon\n {2}\S+ > this machine has two moons\n$/);
    expect(printed).not.toContain('clock');
  },
);

test('a run does not list the tests that a filter excluded', { timeout }, async () => {
  expect(await run('--testNamePattern=clock')).not.toContain('Skipped');
});

test('every call of skip has a reason', async () => {
  const silent = /\b(?:test|it|describe)[.\w]*\.(?:skip|skipIf|runIf|todo)\b/;
  const files = await readdir(join(ROOT, 'test'), { recursive: true });
  const tests = files.filter((file) => file.endsWith('.test.ts'));
  expect(tests.length).toBeGreaterThan(50);
  for (const file of tests)
    expect(await readFile(join(ROOT, 'test', file), 'utf8'), file).not.toMatch(silent);
});
