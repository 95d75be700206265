import { rm } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { type BuildOptions, build as esbuild, type ImportKind, type Metafile } from 'esbuild';
import { fallback, type Operation, routeNamed, routes } from '../../lib/routes.ts';
import { lean } from './bundle-plugins.ts';

const ROOT = join(import.meta.dirname, '../..');

/** The functions of the route table, by the names of their files. */
export const operations: readonly Operation[] = [...routes, fallback].map(({ name }) => name);

/** Those behind no route, which a schedule calls. */
export const scheduled = ['measure-backend'] as const;

/** The name of a function's file in `functions/`. */
export type FunctionName = Operation | (typeof scheduled)[number];

const names: readonly FunctionName[] = [...operations, ...scheduled];

/** What one function reads in a cold start, in bytes of minified code. */
export interface Bundle {
  name: FunctionName;
  /** Its own file and all that file imports before the handler is there. */
  ownBytes: number;
  /** And with the larger of the backends, of which it imports the one that it uses. */
  startBytes: number;
}

export interface Build {
  /** Absolute path of the directory that holds `<name>.mjs` for every function, and the chunks that they share. */
  outdir: string;
  bundles: Bundle[];
  /** Modules that take most of the code, largest first, in bytes of minified code. */
  largest: { module: string; bytes: number }[];
}

/**
 * Bundles every function into `<name>.mjs`, from which Lambda runs `<name>.handler`.
 *
 * The same sources give the same bytes, so that unchanged code is not deployed again.
 *
 * @param outdir a directory for nothing else: what it holds is removed first, since a chunk of an earlier build would stay
 */
export async function build(outdir: string = join(ROOT, 'dist', 'functions')): Promise<Build> {
  await rm(outdir, { recursive: true, force: true });
  const { metafile } = await esbuild({
    absWorkingDir: ROOT,
    entryPoints: names.map((name) => `functions/${name}.ts`),
    outdir: resolve(outdir),
    outExtension: { '.js': '.mjs' },
    ...bundling,
    plugins: lean,
    // All functions are one package, which Lambda fetches whole before a cold start. With shared chunks it is about a
    // sixth of what self-contained files add up to, and a function still reads little more than it runs.
    splitting: true,
  });
  return { outdir: resolve(outdir), bundles: measure(metafile.outputs), largest: largest(metafile.outputs) };
}

/** How code is bundled for the runtime; what benchmarks hold the functions against is bundled alike, as it comes. */
export const bundling = {
  bundle: true,
  format: 'esm',
  platform: 'node',
  target: 'node24',
  minify: true,
  // Errors and log lines carry the names of classes and functions. There are no source maps: with them the package would
  // be some four times as large, and Node reads them only under a flag that slows every look at a stack.
  keepNames: true,
  // The runtime brings its own.
  external: ['@aws-sdk/*'],
  // ioredis is CommonJS and requires Node's modules, which an ES module cannot do without this.
  banner: {
    js: "import{createRequire as createRequireHere}from'node:module';const require=createRequireHere(import.meta.url);",
  },
  metafile: true,
  logLevel: 'warning',
} satisfies BuildOptions & { metafile: true };

type Outputs = Metafile['outputs'];

function measure(outputs: Outputs): Bundle[] {
  const bytesOf = (paths: Set<string>) =>
    [...paths].reduce((sum, path) => sum + (outputs[path]?.bytes ?? 0), 0);
  return names.map((name) => {
    const entry = Object.keys(outputs).find((path) => basename(path) === `${name}.mjs`);
    if (entry === undefined) throw new Error(`functions/${name}.ts gave no bundle`);
    const own = closure(outputs, [entry]);
    // What `startService` imports. Functions without a backend do not call it.
    const isStarted = routeNamed(name)?.backend !== false;
    const onDemand = isStarted ? [...own].flatMap((path) => importsOf(outputs, path, 'dynamic-import')) : [];
    const starts = onDemand.map((path) => bytesOf(closure(outputs, [entry, path])));
    return { name, ownBytes: bytesOf(own), startBytes: Math.max(bytesOf(own), ...starts) };
  });
}

/** The output files that are read when `paths` are imported: themselves and what they import, and so on. */
function closure(outputs: Outputs, paths: string[]): Set<string> {
  const found = new Set(paths);
  // A set hands out what is added to it during the walk as well.
  for (const path of found) {
    for (const next of importsOf(outputs, path, 'import-statement')) found.add(next);
  }
  return found;
}

function importsOf(outputs: Outputs, path: string, wanted: ImportKind): string[] {
  return (outputs[path]?.imports ?? [])
    .filter(({ kind, external }) => kind === wanted && !external)
    .map((imported) => imported.path);
}

function largest(outputs: Outputs): Build['largest'] {
  const byModule = new Map<string, number>();
  for (const { inputs } of Object.values(outputs)) {
    for (const [module, { bytesInOutput }] of Object.entries(inputs)) {
      byModule.set(module, (byModule.get(module) ?? 0) + bytesInOutput);
    }
  }
  return [...byModule]
    .map(([module, bytes]) => ({ module: module.replace('node_modules/', ''), bytes }))
    .sort((a, b) => b.bytes - a.bytes)
    .slice(0, 8);
}

function report({ outdir, bundles, largest }: Build): string {
  const row = (label: string, ...sizes: number[]) =>
    `  ${label.padEnd(52)}${sizes.map((size) => `${(size / 1000).toFixed(1)} kB`.padStart(12)).join('')}`;
  return [
    `${outdir}`,
    `  ${'function'.padEnd(52)}${'own'.padStart(12)}${'cold start'.padStart(12)}`,
    ...bundles.map(({ name, ownBytes, startBytes }) => row(name, ownBytes, startBytes)),
    '  largest modules',
    ...largest.map(({ module, bytes }) => row(module, bytes)),
  ].join('\n');
}

if (import.meta.main) console.log(report(await build()));
