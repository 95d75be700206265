import { mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { checkPackage, createPackageFromTarballData } from '@arethetypeswrong/core';
import { publint } from 'publint';
import { beforeAll, describe, expect, test } from 'vitest';
import { packedClient, ROOT, run } from './packed.ts';

const packed = packedClient();

/** The only peer that an adapter imports. The others are used through their interfaces. */
const PEER = join('node_modules', '@langchain', 'core');
beforeAll(async () => {
  await mkdir(dirname(join(packed.directory, PEER)));
  await symlink(join(ROOT, PEER), join(packed.directory, PEER));
});

/** The paths of the package's files whose name ends so, relative to its folder. */
async function filesOf(ending = ''): Promise<string[]> {
  const files = await readdir(packed.installed, { recursive: true, withFileTypes: true });
  return files
    .filter((file) => file.isFile() && file.name.endsWith(ending))
    .map(({ parentPath, name }) => relative(packed.installed, join(parentPath, name)));
}

const textOf = (name: string) => readFile(join(packed.installed, name), 'utf8');

/** The names of the adapters that the package exports. */
async function adapters(): Promise<string[]> {
  const { exports } = JSON.parse(await textOf('package.json'));
  return Object.keys(exports).flatMap((path) => /^\.\/([a-z]+)$/.exec(path)?.[1] ?? []);
}

describe('the packed client', () => {
  test('contains both builds with types and source maps, its README and its license, and nothing else', async () => {
    const all = await readdir(join(ROOT, 'lib', 'client'), { recursive: true });
    const sources = all.filter((name) => name.endsWith('.ts'));
    const compiled = ['esm', 'cjs'].flatMap((format) => [
      `${format}/package.json`,
      ...sources.flatMap((name) =>
        ['.js', '.js.map', '.d.ts'].map((ending) => `${format}/${name.replace(/\.ts$/, ending)}`),
      ),
    ]);
    const folders = (await adapters()).map((name) => `${name}/package.json`);
    const expected = ['LICENSE', 'README.md', 'package.json', ...folders, ...compiled];
    expect((await filesOf()).sort()).toEqual(expected.sort());
  });

  test('has the client’s own README, without a link into the repository', async () => {
    const readme = await textOf('README.md');
    expect(readme).toBe(await readFile(join(ROOT, 'lib', 'client', 'README.md'), 'utf8'));
    const links = [...readme.matchAll(/(?:\]\(|src=")([^)\s"]+)[)"]/g)].map(([, link]) => link);
    expect(links.filter((link) => !/^(?:https?:|#)/.test(link ?? ''))).toEqual([]);
  });

  test('can be published: it is not private, and has the version of the repository', async () => {
    const { version } = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8'));
    const manifest = JSON.parse(await textOf('package.json'));
    expect(manifest).toMatchObject({ name: 'cache-service', version, license: 'Apache-2.0' });
    expect(manifest).not.toHaveProperty('private');
    expect(manifest).not.toHaveProperty('dependencies');
  });

  test('has no problem that arethetypeswrong reports', async () => {
    const { tarball } = packed;
    expect(await checkPackage(createPackageFromTarballData(tarball))).toMatchObject({
      types: { kind: 'included' },
      problems: [],
    });
  });

  test('has no problem that publint reports', async () => {
    const { buffer, byteOffset, byteLength } = packed.tarball;
    const tarball = buffer.slice(byteOffset, byteOffset + byteLength);
    expect((await publint({ pack: { tarball }, strict: true })).messages).toEqual([]);
  });

  test('imports and requires nothing but its own files, except for adapters, which no other file imports', async () => {
    const files = await filesOf('.js');
    const imported = await Promise.all(
      files.map(async (file) => {
        const matches = (await textOf(file)).matchAll(/(?:from|import|require)\s*\(?['"]([^'"]+)['"]/g);
        return [...matches].map(([, name = '']) => ({ file, name }));
      }),
    );
    const all = imported.flat();
    expect(all.length).toBeGreaterThan(20);
    const ofClient = all.filter(({ file }) => !file.includes('/adapters/'));
    expect(ofClient.filter(({ name }) => !/^\.\/[a-z-]+\.js$/.test(name))).toEqual([]);
    const { peerDependencies } = JSON.parse(await textOf('package.json'));
    const foreign = all.filter(({ name }) => !name.startsWith('.'));
    const packages = foreign.map(({ name }) => /^(?:@[^/]+\/)?[^/]+/.exec(name)?.[0] ?? name);
    expect(packages.filter((name) => !(name in peerDependencies))).toEqual([]);
  });

  test('has optional peer dependencies of any version, so that none keeps it from being installed', async () => {
    const { peerDependencies, peerDependenciesMeta } = JSON.parse(await textOf('package.json'));
    expect(Object.keys(peerDependencies)).toHaveLength((await adapters()).length);
    expect(new Set(Object.values(peerDependencies))).toEqual(new Set(['*']));
    const optional = Object.keys(peerDependencies).map((name) => [name, { optional: true }]);
    expect(peerDependenciesMeta).toEqual(Object.fromEntries(optional));
  });

  test('has source maps that contain their source and no path of the machine that built it', async () => {
    const maps = await filesOf('.js.map');
    expect(maps.length).toBeGreaterThan(20);
    for (const name of maps) {
      const source = name.replace(/^\w+\//, '').replace(/\.js\.map$/, '.ts');
      expect(JSON.parse(await textOf(name)), name).toMatchObject({
        sourceRoot: '../src/',
        sources: [source],
        sourcesContent: [await readFile(join(ROOT, 'lib', 'client', source), 'utf8')],
      });
    }
  });

  test.each([
    ['esm', '.mjs', "(name) => import('cache-service/' + name)"],
    // As Node before 20.19 does: `require` of an ES module is an error.
    ['cjs', '.cjs', "(name) => require('cache-service/' + name)", '--no-experimental-require-module'],
  ])('exports adapters, each loaded with its peer only: %s', async (format, ending, load, ...flags) => {
    const script = join(packed.directory, `adapters${ending}`);
    const names = await adapters();
    const loads = `Promise.all(${JSON.stringify(names)}.map(async (name) => Object.keys(await (${load})(name))))`;
    await writeFile(script, `${loads}.then((names) => console.log(JSON.stringify(names.flat().sort())));`);
    const { stdout } = await run(process.execPath, [...flags, script]);
    const exported = JSON.parse(stdout).filter((name: string) => name !== '__esModule');
    expect(exported, format).toEqual([
      'LangChainCache',
      'cacheMiddleware',
      'cacheServiceDriver',
      'keyvStore',
    ]);
  });

  test.each([
    ['trace.mjs', "import { CacheClient } from 'cache-service';"],
    ['trace.cjs', "const { CacheClient } = require('cache-service');"],
  ])('shows TypeScript in a stack trace when source maps are on: %s', async (name, load) => {
    const script = join(packed.directory, name);
    await writeFile(
      script,
      `${load}\ntry { new CacheClient({ url: '' }); } catch (e) { console.log(e.stack); }`,
    );
    const { stdout } = await run(process.execPath, ['--enable-source-maps', script]);
    const source = await readFile(join(ROOT, 'lib', 'client', 'client.ts'), 'utf8');
    const [, line] = /cache-service\/src\/client\.ts:(\d+):\d+/.exec(stdout) ?? [];
    expect(source.split('\n')[Number(line) - 1], stdout).toContain('settingsOf(options)');
  });
});
