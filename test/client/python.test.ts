import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Service, startService } from '../http/service.ts';
import { needs } from '../support/engines/needs.ts';
import { read, ROOT } from '../support/markdown.ts';
import { runPython } from './python.ts';

const TESTS = join(ROOT, 'test', 'client', 'python');

let service: Service;
beforeAll(async () => {
  service = await startService();
});
afterAll(() => service.stop());

describe('the Python client', () => {
  needs('python');

  test.each(readdirSync(TESTS).filter((name) => name.startsWith('test_')))(
    'passes %s on the service',
    async (name) => {
      const args = ['-W', 'error::DeprecationWarning', '-m', 'unittest', name];
      const { code, stderr } = await runPython(args, { CACHE_URL: service.url }, TESTS);
      expect(code, stderr).toBe(0);
      expect(stderr).toMatch(/^Ran [1-9]\d* tests/m);
    },
    400_000,
  );
});

test('the Python package has the version of the repository', () => {
  const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
  expect(read('lib/client/python/pyproject.toml')).toContain(`\nversion = "${version}"\n`);
});
