/**
 * Builds the client's package: an ES module and a CommonJS build, each with types and source maps, the client's README, and a
 * package.json derived from the repository's. `npm pack` and `npm publish` accept its folder.
 */
import { spawnSync } from 'node:child_process';
import { copyFileSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';

const ROOT = join(import.meta.dirname, '../..');
const SOURCES = join(ROOT, 'lib', 'client');
const USAGE = 'npm run client [-- DIR]   builds the client in dist/client, or in DIR';

const [folder = join(ROOT, 'dist', 'client'), ...more] = process.argv.slice(2);
if (more.length > 0 || folder.startsWith('-')) {
  console.error(USAGE);
  process.exit(1);
}
const out = resolve(folder);

build('esm', 'module', []);
// `verbatimModuleSyntax` rejects `import` statements in CommonJS output.
build('cjs', 'commonjs', ['--module', 'commonjs', '--moduleResolution', 'bundler', '--verbatimModuleSyntax', 'false']); // biome-ignore format: a command line

const { name, version, license, engines } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
writeJson(join(out, 'package.json'), {
  name,
  version,
  description:
    'TypeScript and JavaScript client of cache-service, a multi-tenant cache over HTTP. No dependencies.',
  keywords: ['cache', 'cache-client', 'multi-tenant', 'fetch'],
  license,
  type: 'module',
  sideEffects: false,
  // For tools that ignore `exports`: TypeScript's node10 resolution and old bundlers.
  main: './cjs/index.js',
  types: './cjs/index.d.ts',
  exports: {
    '.': {
      import: { types: './esm/index.d.ts', default: './esm/index.js' },
      require: { types: './cjs/index.d.ts', default: './cjs/index.js' },
    },
    './package.json': './package.json',
  },
  files: ['esm', 'cjs'],
  engines,
});
copyFileSync(join(SOURCES, 'README.md'), join(out, 'README.md'));
copyFileSync(join(ROOT, 'LICENSE'), join(out, 'LICENSE'));
console.log(`Client built in ${relative('.', out) || '.'}`);

/** Compiles the client into a folder of the package. */
function build(format: string, type: 'module' | 'commonjs', options: string[]): void {
  const outDir = join(out, format);
  // The package contains all files of this folder: remove those of earlier builds.
  rmSync(outDir, { recursive: true, force: true });
  const compiler = join(ROOT, 'node_modules/typescript/bin/tsc');
  const { status } = spawnSync(process.execPath, [compiler, '-p', SOURCES, '--outDir', outDir, ...options], {
    stdio: 'inherit',
  });
  if (status !== 0) process.exit(status ?? 1);
  writeJson(join(outDir, 'package.json'), { type });
}

function writeJson(path: string, value: unknown): void {
  writeFileSync(path, `${JSON.stringify(value, undefined, 2)}\n`);
}
