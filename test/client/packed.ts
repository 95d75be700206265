import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll } from 'vitest';
import { onPath } from '../support/engines/path.ts';

export const run = promisify(execFile);
export const ROOT = join(import.meta.dirname, '..', '..');

/** The client's package as callers install it, in a directory that contains nothing else. */
export interface Packed {
  /** Its `node_modules` contains the package; projects stand beside it. */
  directory: string;
  /** The package's own folder, unpacked. */
  installed: string;
  tarball: Buffer<ArrayBuffer>;
}

/** Declares hooks that build, pack and unpack the client for the tests of a file. */
export function packedClient(): Packed {
  const packed = {} as Packed;
  beforeAll(async () => {
    packed.directory = await mkdtemp(join(tmpdir(), 'cache-package-'));
    packed.installed = join(packed.directory, 'node_modules', 'cache-service');
    const built = join(packed.directory, 'built');
    await run('npm', ['run', 'client', '--', built], { cwd: ROOT });
    await run('npm', ['pack', built, '--pack-destination', packed.directory], { cwd: packed.directory });
    const name = (await readdir(packed.directory)).find((file) => file.endsWith('.tgz')) ?? '';
    const path = join(packed.directory, name);
    packed.tarball = await readFile(path);
    await mkdir(packed.installed, { recursive: true });
    await run('tar', ['-xzf', path, '-C', packed.installed, '--strip-components=1']);
    await rm(built, { recursive: true });
  });
  afterAll(() => rm(packed.directory, { recursive: true, force: true }));
  return packed;
}

/** The compilers of the projects here: TypeScript 7 has no node10 resolution, and its predecessor comes with a dev dependency. */
export const compilers = {
  'TypeScript 7': join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc'),
  'TypeScript 5.6': join(
    dirname(createRequire(import.meta.resolve('@arethetypeswrong/core')).resolve('typescript/package.json')),
    'bin',
    'tsc',
  ),
};

/** Node 24, which runs the tests, and the machine's own from version 20 on. */
export async function nodes(): Promise<string[]> {
  const places = (process.env.PATH ?? '').split(delimiter).filter((place) => !place.includes('node_modules'));
  const node = await onPath('node', places.join(delimiter));
  if (node === undefined) return [process.execPath];
  const { stdout } = await run(node, ['--version']);
  return Number(/^v(\d+)/.exec(stdout)?.[1]) >= 20 ? [process.execPath, node] : [process.execPath];
}
