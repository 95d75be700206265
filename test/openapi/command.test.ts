import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readConfig } from '../../lib/config/config.ts';
import { openApiDocument } from '../../lib/openapi/document.ts';

const COMMAND = join(import.meta.dirname, '../../infra/build/openapi.ts');

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

  test.each<[string, string[], Record<string, string>, RegExp]>([
    ['an option that there is not', ['--yaml'], {}, /npm run openapi/],
    ['two files', ['a', 'b'], {}, /npm run openapi/],
    ['a setting that does not parse', ['-'], { MAX_TTL_SECONDS: 'long' }, /^MAX_TTL_SECONDS .*\n$/],
    [
      'a file that cannot be written',
      ['/dev/null/x.json'],
      {},
      /^\/dev\/null\/x\.json cannot be written.*\n$/,
    ],
  ])('ends with one line when it is given %s', async (_, args, env, line) => {
    await expect(run(args, env)).rejects.toMatchObject({
      code: 1,
      stdout: '',
      stderr: expect.stringMatching(line),
    });
  });
});
