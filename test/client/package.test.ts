import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, delimiter, dirname, join, relative } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { newTenant } from '../conformance/backends.ts';
import { type Service, startService } from '../http/service.ts';
import { onPath } from '../support/engines/path.ts';

const run = promisify(execFile);
const ROOT = join(import.meta.dirname, '..', '..');

/** What someone who has the package writes, with all that types can catch. */
const CONSUMER = `
import { bearer, CacheClient, CacheError, type Lookup, sigV4, ValidationError } from 'cache-service';

declare const process: { argv: string[] };
const [, , url = '', tenant = ''] = process.argv;

interface User {
  name: string;
}

const cache: CacheClient = new CacheClient({ url, tenant, authorize: bearer('token'), timeoutMs: 20_000 });
await cache.set('a/b?c', { name: 'John' } satisfies User, { ttl: 60 });
const lookup: Lookup<User> = await cache.get<User>('a/b?c');
const name: string = lookup.found ? lookup.value.name : '';
const answer: number = await cache.getOrSet('n', 60, (signal) => (signal.aborted ? 0 : 42), { timeoutMs: 20_000 });
const code: string = await cache.get('').then(
  () => 'none',
  (error: unknown) => (error instanceof ValidationError && error instanceof CacheError ? error.code : 'other'),
);
const credentials = { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'secret' };
const signed = await sigV4({ region: 'eu-central-1', credentials })({ method: 'GET', url, headers: {}, body: '' });
const count: number = await cache.invalidate();
// @ts-expect-error: it may not have been found
lookup.value;
(globalThis as unknown as { console: { log(text: string): void } }).console.log(
  JSON.stringify({ name, answer, code, count, signed: signed.authorization?.slice(0, 16) }),
);
`;

const strict = {
  target: 'es2022',
  strict: true,
  exactOptionalPropertyTypes: true,
  noUncheckedIndexedAccess: true,
};

interface Project {
  module: string;
  moduleResolution?: string;
  lib: string[];
  types: string[];
}

/** Where types come from, and how modules are found. */
const PROJECTS: Record<string, Project> = {
  'Node\u2019s modules and TypeScript\u2019s DOM': { module: 'nodenext', lib: ['es2022', 'dom'], types: [] },
  'a bundler\u2019s modules and TypeScript\u2019s DOM': {
    module: 'esnext',
    moduleResolution: 'bundler',
    lib: ['es2022', 'dom'],
    types: [],
  },
  'Node\u2019s modules and Node\u2019s types': { module: 'nodenext', lib: ['es2022'], types: ['node'] },
  'Node\u2019s modules and no types of a runtime': { module: 'nodenext', lib: ['es2022'], types: [] },
};

let directory: string;
let project: string;
let service: Service;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'cache-package-'));
  project = join(directory, 'project');
  const installed = join(project, 'node_modules', 'cache-service');
  await mkdir(installed, { recursive: true });
  await run('npm', ['pack', '--pack-destination', directory], { cwd: ROOT });
  const packed = (await readdir(directory)).find((name) => name.endsWith('.tgz')) ?? '';
  await run('tar', ['-xzf', join(directory, packed), '-C', installed, '--strip-components=1']);
  // Nothing loads these unless `types` names them.
  for (const name of ['@types/node', 'undici-types']) {
    const link = join(project, 'node_modules', name);
    await mkdir(dirname(link), { recursive: true });
    await symlink(join(ROOT, 'node_modules', name), link);
  }
  await writeFile(join(project, 'package.json'), '{"type":"module"}');
  await writeFile(join(project, 'consumer.ts'), CONSUMER);
  service = await startService();
});
afterAll(async () => {
  await service?.stop();
  await rm(directory, { recursive: true, force: true });
});

/** @returns what the compiler has to say */
async function compile(options: Project): Promise<string> {
  const compilerOptions = { ...strict, ...options, outDir: 'out' };
  await writeFile(
    join(project, 'tsconfig.json'),
    JSON.stringify({ compilerOptions, include: ['consumer.ts'] }),
  );
  const compiler = join(ROOT, 'node_modules/typescript/bin/tsc');
  const ended = run(process.execPath, [compiler, '-p', project]);
  return (await ended.catch((error: { stdout: string }) => error)).stdout;
}

describe('the package, unpacked where nothing else is', () => {
  test('holds the client, the document, and what is about both', async () => {
    const installed = join(project, 'node_modules', 'cache-service');
    const files = await readdir(installed, { recursive: true, withFileTypes: true });
    const held = files
      .filter((file) => file.isFile())
      .map(({ parentPath, name }) => relative(installed, join(parentPath, name)));
    const sources = (await readdir(join(ROOT, 'lib', 'client'))).filter((name) => name.endsWith('.ts'));
    const compiled = sources.flatMap((name) => {
      const stem = join('dist', 'client', basename(name, '.ts'));
      return [`${stem}.js`, `${stem}.d.ts`];
    });
    expect(held.sort()).toEqual(
      [
        'CHANGELOG.md',
        'LICENSE',
        'README.md',
        'package.json',
        join('dist', 'openapi.json'),
        ...compiled,
      ].sort(),
    );
  });

  test.each(Object.entries(PROJECTS))('type-checks with %s', async (_, options) => {
    expect(await compile(options)).toBe('');
  });

  test('runs on every Node that is here and new enough', async () => {
    expect(await compile({ module: 'nodenext', lib: ['es2022'], types: [] })).toBe('');
    for (const node of [process.execPath, ...(await otherNodes())]) {
      const { stdout } = await run(node, ['out/consumer.js', service.url, newTenant()], { cwd: project });
      expect(JSON.parse(stdout)).toEqual({
        name: 'John',
        answer: 42,
        code: 'VALIDATION_ERROR',
        count: 2,
        signed: 'AWS4-HMAC-SHA256',
      });
    }
  });

  test('imports nothing but its own files', async () => {
    const client = join(project, 'node_modules', 'cache-service', 'dist', 'client');
    const files = (await readdir(client)).filter((name) => name.endsWith('.js'));
    const texts = await Promise.all(files.map((name) => readFile(join(client, name), 'utf8')));
    const imported = texts.flatMap((text) => [...text.matchAll(/(?:from|import)\s*\(?['"]([^'"]+)['"]/g)]);
    expect(imported.length).toBeGreaterThan(10);
    expect(imported.map(([, name]) => name).filter((name) => !name?.startsWith('./'))).toEqual([]);
  });
});

/** The machine's own, if it has one from version 20 on. */
async function otherNodes(): Promise<string[]> {
  const places = (process.env.PATH ?? '').split(delimiter).filter((place) => !place.includes('node_modules'));
  const node = await onPath('node', places.join(delimiter));
  if (node === undefined) return [];
  const { stdout } = await run(node, ['--version']);
  return Number(/^v(\d+)/.exec(stdout)?.[1]) >= 20 ? [node] : [];
}
