import { rm } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { type BuildOptions, build as esbuild, type ImportKind, type Metafile } from 'esbuild';
import { fallback, type Operation, routeNamed, routes } from '../../lib/routes.ts';
import { bundlePlugins } from './bundle-plugins.ts';

const ROOT = join(import.meta.dirname, '../..');

/** Functions of the route table. */
export const operations: readonly Operation[] = [...routes, fallback].map(({ name }) => name);

/** Functions without a route, which a schedule invokes. */
export const scheduled = ['measure-backend'] as const;

/** Name of a function's file in `functions/`. */
export type FunctionName = Operation | (typeof scheduled)[number];

const names: readonly FunctionName[] = [...operations, ...scheduled];

/** Minified code that one function reads in a cold start. */
export interface Bundle {
  name: FunctionName;
  /** The function's file and its static imports. */
  ownBytes: number;
  /** `ownBytes` and the size of the larger store. A function loads one of the two stores when it starts. */
  startBytes: number;
}

export interface Build {
  /** Absolute path of the directory with `<name>.mjs` for every function, and their shared chunks. */
  outdir: string;
  bundles: Bundle[];
  /** Largest modules first. Sizes are of minified code. */
  largest: { module: string; bytes: number }[];
}

/**
 * Bundles every function into `<name>.mjs`, which exports `handler`. The same sources give the same bytes, so unchanged code is
 * not deployed again.
 *
 * @param outdir is emptied first, to remove chunks of earlier builds
 */
export async function build(outdir: string = join(ROOT, 'dist', 'functions')): Promise<Build> {
  await rm(outdir, { recursive: true, force: true });
  const { metafile } = await esbuild({
    absWorkingDir: ROOT,
    entryPoints: names.map((name) => `functions/${name}.ts`),
    outdir: resolve(outdir),
    outExtension: { '.js': '.mjs' },
    ...bundling,
    plugins: bundlePlugins,
    // All functions are one package, which Lambda downloads before a cold start. Shared chunks make it a sixth of the size of
    // self-contained bundles.
    splitting: true,
  });
  return { outdir: resolve(outdir), bundles: measure(metafile.outputs), largest: largest(metafile.outputs) };
}

/** Options for Lambda's runtime. Benchmarks bundle their anchors with the same options, without the plugins. */
export const bundling = {
  bundle: true,
  format: 'esm',
  platform: 'node',
  target: 'node24',
  minify: true,
  // Errors and log lines contain the names of classes and functions. Source maps would make the package four times as large, and
  // Node reads them only under a flag that slows down every access to a stack.
  keepNames: true,
  // Part of Lambda's runtime.
  external: ['@aws-sdk/*'],
  // ioredis is CommonJS and calls `require` for Node's modules, which ES modules do not have.
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
    if (entry === undefined) throw new Error(`functions/${name}.ts has no bundle`);
    const own = closure(outputs, [entry]);
    // `startService` imports a store dynamically. Functions without a backend do not call it.
    const isStarted = routeNamed(name)?.backend !== false;
    const onDemand = isStarted ? [...own].flatMap((path) => importsOf(outputs, path, 'dynamic-import')) : [];
    const starts = onDemand.map((path) => bytesOf(closure(outputs, [entry, path])));
    return { name, ownBytes: bytesOf(own), startBytes: Math.max(bytesOf(own), ...starts) };
  });
}

/** Transitive closure of static imports: the output files that importing `paths` reads. */
function closure(outputs: Outputs, paths: string[]): Set<string> {
  const found = new Set(paths);
  // The loop also visits elements that are added to the set while it runs.
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
