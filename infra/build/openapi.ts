import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join, relative, resolve } from 'node:path';
import { readConfig } from '../../lib/config/config.ts';
import { ConfigError } from '../../lib/config/parse.ts';
import { openApiDocument } from '../../lib/openapi/document.ts';
import { print } from './stdout.ts';

const DEFAULT_FILE = join(import.meta.dirname, '../../dist/openapi.json');

const USAGE =
  'npm run openapi [-- FILE]   writes the OpenAPI document to dist/openapi.json, or to FILE; - is stdout (npm run -s into a pipe)';

const [file = DEFAULT_FILE, ...more] = process.argv.slice(2);
if (more.length > 0 || /^-./.test(file)) exit(USAGE);
const text = `${JSON.stringify(document(), undefined, 2)}\n`;
if (file === '-') print(text);
else await write(resolve(file), text);

/** The document with the limits in the environment. */
function document() {
  try {
    return openApiDocument(readConfig(process.env));
  } catch (error) {
    if (error instanceof ConfigError) exit(error.message);
    throw error;
  }
}

async function write(path: string, text: string): Promise<void> {
  try {
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, text);
  } catch (error) {
    exit(`Cannot write ${path}: ${(error as Error).message}`);
  }
  console.log(`OpenAPI document written to ${relative('.', path)}`);
}

function exit(line: string): never {
  process.stderr.write(`${line}\n`);
  process.exit(1);
}
