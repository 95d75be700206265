import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type BuildOptions, build as esbuild } from 'esbuild';
import { bundling } from '../../infra/build/functions.ts';

/** Bundles that are built like those of the functions. */
export interface Bundled {
  /** Absolute path of the directory with `<name>.mjs` for each bundle. */
  outdir: string;
  /** Size of the minified code that an import of each bundle reads, in bytes by name. */
  bytes: Record<string, number>;
  remove(): Promise<void>;
}

/**
 * Bundles files of this directory like the functions, but each into a single file.
 *
 * @param files paths relative to this directory, by the name of the bundle
 * @param options esbuild options that differ from those of the functions
 */
export async function bundle(
  files: Record<string, string>,
  options: Pick<BuildOptions, 'keepNames' | 'target'> = {},
): Promise<Bundled> {
  const outdir = await mkdtemp(join(tmpdir(), 'cache-anchors-'));
  const built = Object.entries(files).map(async ([name, path]) => {
    const outfile = join(outdir, `${name}.mjs`);
    const { metafile } = await esbuild({
      entryPoints: [join(import.meta.dirname, path)],
      outfile,
      ...bundling,
      ...options,
    });
    const bytes = Object.values(metafile.outputs).reduce((sum, output) => sum + output.bytes, 0);
    return [name, bytes] as const;
  });
  return {
    outdir,
    bytes: Object.fromEntries(await Promise.all(built)),
    remove: () => rm(outdir, { recursive: true, force: true }),
  };
}
