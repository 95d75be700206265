import { readdir, readFile, writeFile } from 'node:fs/promises';
import { basename, join, relative } from 'node:path';
import { checkPackage, createPackageFromTarballData } from '@arethetypeswrong/core';
import { publint } from 'publint';
import { describe, expect, test } from 'vitest';
import { packedClient, ROOT, run } from './packed.ts';

const packed = packedClient();

/** The paths of the package's files whose name ends so, relative to its folder. */
async function filesOf(ending = ''): Promise<string[]> {
  const files = await readdir(packed.installed, { recursive: true, withFileTypes: true });
  return files
    .filter((file) => file.isFile() && file.name.endsWith(ending))
    .map(({ parentPath, name }) => relative(packed.installed, join(parentPath, name)));
}

const textOf = (name: string) => readFile(join(packed.installed, name), 'utf8');

describe('the packed client', () => {
  test('contains both builds with types and source maps, its README and its license, and nothing else', async () => {
    const sources = (await readdir(join(ROOT, 'lib', 'client'))).filter((name) => name.endsWith('.ts'));
    const compiled = ['esm', 'cjs'].flatMap((format) => [
      `${format}/package.json`,
      ...sources.flatMap((name) =>
        ['.js', '.js.map', '.d.ts'].map((ending) => `${format}/${basename(name, '.ts')}${ending}`),
      ),
    ]);
    const expected = ['LICENSE', 'README.md', 'package.json', ...compiled];
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

  test('imports and requires nothing but its own files', async () => {
    const texts = await Promise.all((await filesOf('.js')).map(textOf));
    const imported = texts.flatMap((text) => [
      ...text.matchAll(/(?:from|import|require)\s*\(?['"]([^'"]+)['"]/g),
    ]);
    expect(imported.length).toBeGreaterThan(20);
    expect(imported.map(([, name]) => name).filter((name) => !name?.startsWith('./'))).toEqual([]);
  });

  test('has source maps that contain their source and no path of the machine that built it', async () => {
    const maps = await filesOf('.js.map');
    expect(maps.length).toBeGreaterThan(20);
    for (const name of maps) {
      const source = `${basename(name, '.js.map')}.ts`;
      expect(JSON.parse(await textOf(name)), name).toMatchObject({
        sourceRoot: '../src/',
        sources: [source],
        sourcesContent: [await readFile(join(ROOT, 'lib', 'client', source), 'utf8')],
      });
    }
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
