/**
 * Builds the client's package: an ES module and a CommonJS build, each with types and source maps, the client's README, and a
 * package.json derived from the repository's. Each adapter is an export of its own. `npm pack` and `npm publish` accept its folder.
 */
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';

const ROOT = join(import.meta.dirname, '../..');
const SOURCES = join(ROOT, 'lib', 'client');

/** Adapters in `lib/client/adapters`, and the package whose interface each has. */
const ADAPTERS = {
  ai: 'ai',
  keyv: 'keyv',
  langchain: '@langchain/core',
  unstorage: 'unstorage',
} as const;

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

const adapters = Object.keys(ADAPTERS);
const peers = Object.values(ADAPTERS);
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
    '.': exportOf('index'),
    ...Object.fromEntries(adapters.map((name) => [`./${name}`, exportOf(`adapters/${name}`)])),
    './package.json': './package.json',
  },
  files: ['esm', 'cjs', ...adapters],
  engines,
  // Any version, because npm refuses to install a package if an optional peer has another version, even if its adapter is not used.
  peerDependencies: Object.fromEntries(peers.map((peer) => [peer, '*'])),
  peerDependenciesMeta: Object.fromEntries(peers.map((peer) => [peer, { optional: true }])),
});
for (const adapter of adapters) {
  // As `main` above: such tools look for a folder.
  mkdirSync(join(out, adapter), { recursive: true });
  const path = `../cjs/adapters/${adapter}`;
  writeJson(join(out, adapter, 'package.json'), { main: `${path}.js`, types: `${path}.d.ts` });
}
copyFileSync(join(SOURCES, 'README.md'), join(out, 'README.md'));
copyFileSync(join(ROOT, 'LICENSE'), join(out, 'LICENSE'));
console.log(`Client built in ${relative('.', out) || '.'}`);

/** An entry of `exports`. @param path of a source, without its ending */
function exportOf(path: string): object {
  const of = (format: string) => ({ types: `./${format}/${path}.d.ts`, default: `./${format}/${path}.js` });
  return { import: of('esm'), require: of('cjs') };
}

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
