import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, open, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readConfig } from '../../lib/config/config.ts';
import { openApiDocument } from '../../lib/openapi/document.ts';

const ROOT = join(import.meta.dirname, '../..');
const COMMAND = join(ROOT, 'infra/build/openapi.ts');

/** Runs `npm run openapi -- …` without npm. */
const run = (args: string[], env: Record<string, string> = {}) =>
  promisify(execFile)(process.execPath, [COMMAND, ...args], { env: { PATH: process.env.PATH, ...env } });

/** The document with these settings, indented. */
const expected = (env: Record<string, string> = {}) =>
  `${JSON.stringify(openApiDocument(readConfig(env)), undefined, 2)}\n`;

describe('the openapi command', () => {
  let directory: string;
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'cache-openapi-'));
  });
  afterAll(() => rm(directory, { recursive: true, force: true }));

  test('writes the document to a file and prints the path', async () => {
    const file = join(directory, 'new', 'document.json');
    const { stdout } = await run([file]);
    expect(stdout).toContain('document.json');
    expect(await readFile(file, 'utf8')).toBe(expected());
  });

  test('prints only the document, with the settings of the environment', async () => {
    const env = { MAX_TTL_SECONDS: '99', SERVICE_NAME: 'other' };
    expect((await run(['-'], env)).stdout).toBe(expected(env));
  });

  test('replaces the banner of npm run if its output is redirected to a file', async () => {
    expect(await npmOutput('w', ['run', 'openapi', '--', '-'])).toBe(expected());
  });

  test('keeps the existing content of a file if the output of npm run is appended to it', async () => {
    const banner = await npmOutput('w', ['run', 'openapi', '--', '--yaml']);
    expect(banner).toMatch(/^\n> cache-service@\S+ openapi\n> node infra\/build\/openapi\.ts --yaml\n\n$/);
    const text = await npmOutput('a', ['run', 'openapi', '--', '-']);
    expect(text.startsWith(banner)).toBe(true);
    expect(text.endsWith(expected())).toBe(true);
  });

  test('prints only the document to a pipe of npm run -s', async () => {
    const { stdout } = await promisify(execFile)('npm', ['run', '-s', 'openapi', '--', '-'], { cwd: ROOT });
    expect(stdout).toBe(expected());
  });

  /** Runs npm with a file as its stdout. @returns the content of the file afterwards */
  async function npmOutput(flags: 'w' | 'a', args: string[]): Promise<string> {
    const file = join(directory, 'stdout');
    const stdout = await open(file, flags);
    const npm = spawn('npm', args, { cwd: ROOT, stdio: ['ignore', stdout.fd, 'ignore'] });
    await once(npm, 'close');
    await stdout.close();
    return readFile(file, 'utf8');
  }

  test.each<[string, string[], Record<string, string>, RegExp]>([
    ['an unknown option', ['--yaml'], {}, /npm run openapi/],
    ['two files', ['a', 'b'], {}, /npm run openapi/],
    ['an invalid setting', ['-'], { MAX_TTL_SECONDS: 'long' }, /^MAX_TTL_SECONDS .*\n$/],
    ['a file that cannot be written', ['/dev/null/x.json'], {}, /^Cannot write \/dev\/null\/x\.json: .*\n$/],
  ])('exits with code 1 and one line of stderr with %s', async (_, args, env, line) => {
    await expect(run(args, env)).rejects.toMatchObject({
      code: 1,
      stdout: '',
      stderr: expect.stringMatching(line),
    });
  });
});
