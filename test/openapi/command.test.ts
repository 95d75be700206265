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

/** `npm run openapi -- …`, but for npm. */
const run = (args: string[], env: Record<string, string> = {}) =>
  promisify(execFile)(process.execPath, [COMMAND, ...args], { env: { PATH: process.env.PATH, ...env } });

/** As it is written for people. */
const expected = (env: Record<string, string> = {}) =>
  `${JSON.stringify(openApiDocument(readConfig(env)), undefined, 2)}\n`;

describe('the command that writes the document', () => {
  let directory: string;
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'cache-openapi-'));
  });
  afterAll(() => rm(directory, { recursive: true, force: true }));

  test('writes it to a file, and says where', async () => {
    const file = join(directory, 'new', 'document.json');
    const { stdout } = await run([file]);
    expect(stdout).toContain('document.json');
    expect(await readFile(file, 'utf8')).toBe(expected());
  });

  test('prints it, and nothing else, with the settings of the environment', async () => {
    const env = { MAX_TTL_SECONDS: '99', SERVICE_NAME: 'other' };
    expect((await run(['-'], env)).stdout).toBe(expected(env));
  });

  test('writes nothing but the document to a file that npm run has begun with its banner', async () => {
    expect(await written('w', ['run', 'openapi', '--', '-'])).toBe(expected());
  });

  test('leaves what a file contained before npm run was told to append to it', async () => {
    const banner = await written('w', ['run', 'openapi', '--', '--yaml']);
    expect(banner).toMatch(/^\n> cache-service@\S+ openapi\n> node infra\/build\/openapi\.ts --yaml\n\n$/);
    const text = await written('a', ['run', 'openapi', '--', '-']);
    expect(text.startsWith(banner)).toBe(true);
    expect(text.endsWith(expected())).toBe(true);
  });

  test('writes nothing but the document to a pipe of npm run -s', async () => {
    const { stdout } = await promisify(execFile)('npm', ['run', '-s', 'openapi', '--', '-'], { cwd: ROOT });
    expect(stdout).toBe(expected());
  });

  /** What the file contains once npm has ended, with the file as its stdout. */
  async function written(flags: 'w' | 'a', args: string[]): Promise<string> {
    const file = join(directory, 'stdout');
    const stdout = await open(file, flags);
    const npm = spawn('npm', args, { cwd: ROOT, stdio: ['ignore', stdout.fd, 'ignore'] });
    await once(npm, 'close');
    await stdout.close();
    return readFile(file, 'utf8');
  }

  test.each<[string, string[], Record<string, string>, RegExp]>([
    ['an option that there is not', ['--yaml'], {}, /npm run openapi/],
    ['two files', ['a', 'b'], {}, /npm run openapi/],
    ['a setting that does not parse', ['-'], { MAX_TTL_SECONDS: 'long' }, /^MAX_TTL_SECONDS .*\n$/],
    ['a file that cannot be written', ['/dev/null/x.json'], {}, /^Cannot write \/dev\/null\/x\.json: .*\n$/],
  ])('ends with one line when it is given %s', async (_, args, env, line) => {
    await expect(run(args, env)).rejects.toMatchObject({
      code: 1,
      stdout: '',
      stderr: expect.stringMatching(line),
    });
  });
});
