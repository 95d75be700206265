import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { isBuiltin } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Build, build } from '../../infra/build/functions.ts';

/** Maximum code that a cold start reads, in bytes of minified code. */
const MAX_START_BYTES = 260_000;

let directory: string;
let first: Build;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'cache-build-'));
  first = await build(join(directory, 'first'));
});

afterAll(() => rm(directory, { recursive: true, force: true }));

/** Returns the content of every file of a directory, by name. */
async function contents(of: string): Promise<Record<string, string>> {
  const names = (await readdir(of)).sort();
  const hashes = names.map(async (name) => [
    name,
    createHash('sha256')
      .update(await readFile(join(of, name)))
      .digest('hex'),
  ]);
  return Object.fromEntries(await Promise.all(hashes));
}

describe('the build', () => {
  it('writes one file per function', async () => {
    expect(await readdir(first.outdir)).toEqual(
      expect.arrayContaining([
        'get.mjs',
        'set.mjs',
        'delete.mjs',
        'invalidate.mjs',
        'keys.mjs',
        'clear-tenant.mjs',
        'health.mjs',
        'openapi.mjs',
        'not-found.mjs',
      ]),
    );
  });

  it('writes the same bytes each time, in any directory', async () => {
    const again = await build(join(directory, 'elsewhere', 'again'));
    expect(await contents(again.outdir)).toEqual(await contents(first.outdir));
  });

  it('removes the files of an earlier build', async () => {
    const outdir = join(directory, 'used');
    await mkdir(outdir);
    await writeFile(join(outdir, 'chunk-OLD.mjs'), 'export {};');
    await build(outdir);
    expect(await readdir(outdir)).toEqual(await readdir(first.outdir));
  });

  it('keeps the code of every cold start below 260 kB', () => {
    for (const { name, startBytes } of first.bundles) expect(startBytes, name).toBeLessThan(MAX_START_BYTES);
  });

  it('counts all files that a function imports', () => {
    const sizeOf = (name: string) => first.bundles.find((bundle) => bundle.name === name);
    // The Redis client is the largest part. A function without a store does not contain it.
    expect(sizeOf('get')?.startBytes).toBeGreaterThan(100_000);
    // It contains the log, about a third of this limit, but no metrics.
    expect(sizeOf('not-found')?.startBytes).toBeLessThan(62_000);
    // In addition only the document and the code that creates it.
    expect(sizeOf('openapi')?.startBytes).toBeLessThan(116_000);
  });

  it('includes the OpenAPI document in the function openapi only', async () => {
    const files = await readdir(first.outdir);
    const texts = await Promise.all(files.map((file) => readFile(join(first.outdir, file), 'utf8')));
    expect(files.filter((_, index) => texts[index]?.includes('operationId'))).toEqual(['openapi.mjs']);
  });

  it('bundles all imports except those of the runtime', async () => {
    const imported = new Set<string>();
    for (const file of await readdir(first.outdir)) {
      const code = await readFile(join(first.outdir, file), 'utf8');
      for (const [, name = ''] of code.matchAll(/(?:\bfrom|\bimport\(?|\brequire\()\s*["']([^"']+)["']/g)) {
        imported.add(name);
      }
    }
    const own = /^\.\/[\w-]+\.mjs$/;
    expect([...imported].filter((name) => !own.test(name) && !isBuiltin(name))).toEqual([]);
    expect([...imported].filter((name) => own.test(name))).not.toEqual([]);
  });
});
