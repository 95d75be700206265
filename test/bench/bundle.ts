import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build as esbuild } from 'esbuild';
import { bundling } from '../../infra/build/functions.ts';

/** Sources bundled in the way of the functions. */
export interface Bundled {
  /** Absolute path of the directory that holds `<name>.mjs` for each of them. */
  outdir: string;
  /** What is read when each is imported, in bytes of minified code, by its name. */
  bytes: Record<string, number>;
  remove(): Promise<void>;
}

/**
 * Bundles files of this directory as the functions are bundled, save that each becomes one file that is all of it.
 *
 * @param files their paths by the names that the bundles get, from this directory on
 */
export async function bundle(files: Record<string, string>): Promise<Bundled> {
  const outdir = await mkdtemp(join(tmpdir(), 'cache-anchors-'));
  const built = Object.entries(files).map(async ([name, path]) => {
    const outfile = join(outdir, `${name}.mjs`);
    const { metafile } = await esbuild({
      entryPoints: [join(import.meta.dirname, path)],
      outfile,
      ...bundling,
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
