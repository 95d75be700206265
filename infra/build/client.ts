import { spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

const ROOT = join(import.meta.dirname, '../..');
const OUT = join(ROOT, 'dist', 'client');

// What an earlier build left would be packed too.
rmSync(OUT, { recursive: true, force: true });
const compiler = join(
  dirname(createRequire(import.meta.url).resolve('typescript/package.json')),
  'bin',
  'tsc',
);
const { status } = spawnSync(
  process.execPath,
  [compiler, '-p', join(ROOT, 'lib', 'client'), '--outDir', OUT],
  { stdio: 'inherit' },
);
if (status === 0) console.log('dist/client has the client');
process.exit(status ?? 1);
