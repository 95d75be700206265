import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { newTenant } from '../conformance/backends.ts';
import { type Service, startService } from '../http/service.ts';
import { compilers, nodes, packedClient, ROOT, run } from './packed.ts';

/** What a caller writes, with all that the types can catch. It compiles as an ES module and as CommonJS. */
const CONSUMER = `
import { bearer, CacheClient, CacheError, type ListedKey, type Lookup, sigV4, ValidationError } from 'cache-service';

declare const process: { argv: string[] };
const [, , url = '', tenant = ''] = process.argv;

interface User {
  name: string;
}

async function main(): Promise<object> {
  const cache: CacheClient = new CacheClient({ url, tenant, authorize: bearer('token'), timeoutMs: 20_000 });
  await cache.set('a/b?c', { name: 'John' } satisfies User, { ttl: 60 });
  const lookup: Lookup<User> = await cache.get<User>('a/b?c');
  // @ts-expect-error: it may not have been found
  lookup.value;
  const name: string = lookup.found ? lookup.value.name : '';
  const answer: number = await cache.getOrSet('n', 60, (signal) => (signal.aborted ? 0 : 42), { timeoutMs: 20_000 });
  const tagsOf = (user: User) => [user.name];
  await cache.getOrSet('tagged', 60, (): User => ({ name: 'Ann' }), { tags: ['users'], tagsOf, timeoutMs: 20_000 });
  const tagged: ListedKey[] = [];
  for await (const listed of cache.keys({ tag: 'Ann' })) tagged.push(listed);
  await cache.invalidateTags(tagged.flatMap(({ tags }) => tags));
  const code: string = await cache.get('').then(
    () => 'none',
    (error: unknown) => (error instanceof ValidationError && error instanceof CacheError ? error.code : 'other'),
  );
  const credentials = { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'secret' };
  const signed = await sigV4({ region: 'eu-central-1', credentials })({ method: 'GET', url, headers: {}, body: '' });
  const count: number = await cache.invalidate('*');
  return { name, answer, code, count, signed: signed.authorization?.slice(0, 16) };
}

main().then((said) => (globalThis as unknown as { console: { log(text: string): void } }).console.log(JSON.stringify(said)));
`;

const SAID = {
  name: 'John',
  answer: 42,
  code: 'VALIDATION_ERROR',
  count: 2,
  signed: 'AWS4-HMAC-SHA256',
};

/** A Jest test as it is in a project without a configuration, where \`require\` loads the client. */
const JEST = `
const { CacheClient, ValidationError } = require('cache-service');

test('a value is returned, and a failure has its class', async () => {
  const { CACHE_URL: url, CACHE_TENANT: tenant } = process.env;
  const cache = new CacheClient({ url, tenant, timeoutMs: 20_000 });
  await cache.set('k', { name: 'John' }, { ttl: 60 });
  expect(await cache.get('k')).toEqual({ found: true, key: 'k', value: { name: 'John' }, ttl: 60 });
  await expect(cache.get('')).rejects.toBeInstanceOf(ValidationError);
});
`;

/** A process in which one module imports the client and another requires it, so that there are two copies of each class. */
const BOTH = `
import { createRequire } from 'node:module';
import * as esm from 'cache-service';

const cjs = createRequire(import.meta.url)('cache-service');
const Own = class extends esm.ValidationError {};
const failure = { message: 'm', code: 'c', maybeSent: true };
const classes = Object.keys(esm).filter((name) => name.endsWith('Error'));
const wrong = classes.flatMap((made) =>
  classes.flatMap((asked) => {
    const expected = asked === made || asked === 'CacheError';
    return [
      new esm[made](failure) instanceof cjs[asked],
      new cjs[made](failure) instanceof esm[asked],
      new esm[made](failure) instanceof esm[asked],
    ].some((is) => is !== expected) ? [made + ' and ' + asked] : [];
  }),
);
const others = [undefined, null, 'text', {}, new Error('m'), new esm.CacheClient({ url: 'http://localhost', tenant: 't' })];
console.log(JSON.stringify({
  copies: esm.CacheError !== cjs.CacheError,
  classes: classes.length,
  wrong,
  others: others.filter((other) => other instanceof esm.CacheError || other instanceof esm.ValidationError).length,
  subclass: [new Own(failure) instanceof Own, new Own(failure) instanceof cjs.ValidationError],
  notOfTheSubclass: [new esm.ValidationError(failure) instanceof Own, new cjs.ValidationError(failure) instanceof Own],
}));
`;

/** The same with adapters, whose types need none of the libraries, except for LangChain's. */
const ADAPTERS = `
import { CacheClient } from 'cache-service';
import { cacheMiddleware } from 'cache-service/ai';
import { type KeyvStore, keyvStore } from 'cache-service/keyv';
import { cacheServiceDriver } from 'cache-service/unstorage';

const cache = new CacheClient({ url: 'http://localhost', tenant: 't' });
export const store: KeyvStore = keyvStore(cache, { ttl: 60 });
export const driver = cacheServiceDriver({ cache, maxTtl: 3600 });
export const middleware = cacheMiddleware(cache, { ttl: 60, tags: ['a'] });
// @ts-expect-error: a TTL is required
cacheMiddleware(cache, { tags: ['a'] });
`;

const strict = {
  target: 'es2022',
  strict: true,
  exactOptionalPropertyTypes: true,
  noUncheckedIndexedAccess: true,
  // The package's types are checked, and not those that the compiler brings, which takes most of its time.
  skipDefaultLibCheck: true,
};

type Format = 'esm' | 'cjs';

interface Options {
  module: string;
  moduleResolution?: string;
  lib?: string[];
  types?: string[];
}

/** Compiler, format of the project's own modules, how modules are found, and where the runtime's types come from. */
const PROJECTS: [keyof typeof compilers, Format, Options][] = [
  ['TypeScript 7', 'esm', { module: 'nodenext' }],
  ['TypeScript 7', 'cjs', { module: 'nodenext' }],
  ['TypeScript 7', 'cjs', { module: 'node16' }],
  ['TypeScript 7', 'esm', { module: 'esnext', moduleResolution: 'bundler' }],
  ['TypeScript 7', 'esm', { module: 'nodenext', lib: ['es2022'], types: ['node'] }],
  ['TypeScript 7', 'esm', { module: 'nodenext', lib: ['es2022'] }],
  ['TypeScript 5.6', 'cjs', { module: 'commonjs', moduleResolution: 'node10' }],
  ['TypeScript 5.6', 'esm', { module: 'node16' }],
  ['TypeScript 5.6', 'cjs', { module: 'node16' }],
  ['TypeScript 5.6', 'esm', { module: 'esnext', moduleResolution: 'bundler' }],
];

const packed = packedClient();
let service: Service;

beforeAll(async () => {
  // Nothing loads these unless `types` names them.
  for (const name of ['@types/node', 'undici-types']) {
    const link = join(packed.directory, 'node_modules', name);
    await mkdir(dirname(link), { recursive: true });
    await symlink(join(ROOT, 'node_modules', name), link);
  }
  for (const [format, type] of [
    ['esm', 'module'],
    ['cjs', 'commonjs'],
  ] as const) {
    await mkdir(join(packed.directory, format));
    await writeFile(join(packed.directory, format, 'package.json'), JSON.stringify({ type }));
    await writeFile(join(packed.directory, format, 'consumer.ts'), CONSUMER);
    await writeFile(join(packed.directory, format, 'adapters.ts'), ADAPTERS);
  }
  service = await startService();
});
afterAll(() => service?.stop());

/** @returns what the compiler reports */
async function compile(
  compiler: string,
  format: Format,
  options: Options,
  file = 'consumer.ts',
): Promise<string> {
  const project = join(packed.directory, format);
  const compilerOptions = { ...strict, lib: ['es2022', 'dom'], types: [], ...options, outDir: 'out' };
  const config = JSON.stringify({ compilerOptions, include: [file] });
  await writeFile(join(project, 'tsconfig.json'), config);
  const ended = run(process.execPath, [compiler, '-p', project]);
  return (await ended.catch((error: { stdout: string }) => error)).stdout;
}

// Compilers and Jest: some seconds each, and many of those where the machine is busy.
describe('a project that installs the package', { timeout: 180_000 }, () => {
  test.each(PROJECTS)('type-checks with %s, %s, %j', async (compiler, format, options) => {
    expect(await compile(compilers[compiler], format, options)).toBe('');
  });

  // Without the types of streams, the middleware's types are as incomplete as those of the AI SDK.
  test.each(PROJECTS.filter(([, , { lib, types }]) => lib === undefined || types !== undefined))(
    'type-checks adapters with %s, %s, %j',
    async (compiler, format, options) => {
      expect(await compile(compilers[compiler], format, options, 'adapters.ts')).toBe('');
    },
  );

  test.each<[Format, Options, string[]]>([
    ['esm', { module: 'nodenext' }, []],
    ['cjs', { module: 'nodenext' }, []],
    // As Node before 20.19 does: `require` of an ES module is an error.
    ['cjs', { module: 'node16' }, ['--no-experimental-require-module']],
  ])('runs on each Node here that is new enough: %s, %j, %j', async (format, options, flags) => {
    expect(await compile(compilers['TypeScript 7'], format, options)).toBe('');
    for (const node of await nodes()) {
      const args = [...flags, join(packed.directory, format, 'out', 'consumer.js'), service.url, newTenant()];
      const { stdout } = await run(node, args);
      expect(JSON.parse(stdout)).toEqual(SAID);
    }
  });

  test('can use instanceof for errors of both builds in one process', async () => {
    const script = join(packed.directory, 'both.mjs');
    await writeFile(script, BOTH);
    const { stdout } = await run(process.execPath, [script]);
    expect(JSON.parse(stdout)).toEqual({
      copies: true,
      classes: 16,
      wrong: [],
      others: 0,
      subclass: [true, true],
      notOfTheSubclass: [false, false],
    });
  });

  test('tests with Jest', async () => {
    const project = join(packed.directory, 'jest');
    await mkdir(project);
    await writeFile(join(project, 'package.json'), JSON.stringify({ name: 'project' }));
    await writeFile(join(project, 'client.test.js'), JEST);
    const jest = join(ROOT, 'node_modules', 'jest', 'bin', 'jest.js');
    const args = [jest, '--watchman=false', '--runInBand', `--cacheDirectory=${join(project, 'cache')}`];
    const env = { ...process.env, CACHE_URL: service.url, CACHE_TENANT: newTenant() };
    const ended = run(process.execPath, args, { cwd: project, env });
    const { stderr } = await ended.catch((error: { stderr: string }) => error);
    expect(stderr).toContain('Tests:       1 passed, 1 total');
  });
});
