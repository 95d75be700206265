import { spawnSync } from 'node:child_process';
import { globSync, readFileSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { operations, scheduled } from './functions.ts';
import { layOut } from './invoke/json-layout.ts';
import { overridden, parseOverrides } from './invoke/overrides.ts';
import { InvocationError, runOnce } from './invoke/run.ts';
import { findTemplate, readFunction, UsageError } from './invoke/template.ts';
import { print } from './stdout.ts';

const ROOT = join(import.meta.dirname, '../..');

const names: readonly string[] = [...operations, ...scheduled];

const USAGE = `npm run invoke -- OPERATION EVENT [--env-vars FILE] [--stack NAME] [--output DIRECTORY]

Runs a function of the synthesized template once, from its own bundle and with the template's own variables, and prints
its answer to stdout and its log to stderr. For its answer in a pipe: npm run -s.

  OPERATION    one of ${names.join(', ')}
  EVENT        a file with an event, such as test/events/get.json
  --env-vars   a file with variables in place of the template's, as sam local invoke takes it
  --stack      the stack's name, where several are synthesized
  --output     the directory that the CDK has synthesized into; cdk.out unless given`;

/** What the command line asks for. */
function readArguments(args: string[]) {
  try {
    const { values, positionals } = parseArgs({
      args,
      allowPositionals: true,
      options: {
        'env-vars': { type: 'string' },
        stack: { type: 'string' },
        output: { type: 'string', default: 'cdk.out' },
        help: { type: 'boolean', default: false },
      },
    });
    if (values.help) {
      console.log(USAGE);
      process.exit();
    }
    const [operation, event, ...more] = positionals;
    if (operation === undefined || event === undefined || more.length > 0)
      throw new Error('takes two arguments');
    if (!names.includes(operation)) throw new Error(`there is no operation ${operation}`);
    return { ...values, output: resolve(values.output), operation, event };
  } catch (error) {
    throw new UsageError(`${(error as Error).message}\n\n${USAGE}`);
  }
}

function readGiven(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new UsageError(`Cannot read ${file}: ${(error as Error).message}`);
  }
}

/** Synthesizes where that has not been done yet, with the settings of `cdk.json`. */
function templateIn(directory: string, stack: string | undefined): string {
  const found = findTemplate(directory, stack);
  if (found) {
    warnOfOldCode(found);
    return found;
  }
  if (stack !== undefined) throw new UsageError(`${directory} holds no stack ${stack}`);
  console.error(`Nothing is synthesized in ${directory} yet: running cdk synth`);
  const { status } = spawnSync(
    join(ROOT, 'node_modules/.bin/cdk'),
    ['synth', '--quiet', '--output', directory],
    { cwd: ROOT, stdio: ['ignore', 2, 2] },
  );
  const made = status === 0 ? findTemplate(directory) : undefined;
  if (!made) throw new UsageError('cdk synth has made no template');
  return made;
}

/** Not synthesized again by itself: that would replace a template made with settings on the command line. */
function warnOfOldCode(template: string): void {
  const { mtimeMs } = statSync(template);
  const sources = globSync('{functions,lib,infra}/**/*.ts', { cwd: ROOT });
  if (sources.some((file) => statSync(join(ROOT, file)).mtimeMs > mtimeMs)) {
    console.error('The code has changed since it was synthesized; to run the new one: npm run synth');
  }
}

/** The answer of a function as people read it: its body as JSON where it is JSON. One that a schedule calls has none. */
function present(answer: string): string {
  const parsed = JSON.parse(answer);
  if (parsed === null) return answer;
  const { body, ...rest } = parsed;
  const head = JSON.stringify(rest).slice(0, -1);
  return layOut(
    `${head}${head === '{' ? '' : ','}"body":${isJson(body) ? body : JSON.stringify(body ?? '')}}`,
  );
}

function isJson(body: unknown): body is string {
  try {
    JSON.parse(String(body));
    return true;
  } catch {
    return false;
  }
}

async function main(): Promise<void> {
  const given = readArguments(process.argv.slice(2));
  const event = readGiven(given.event);
  if (!isJson(event)) throw new UsageError(`${given.event} is not JSON`);
  const file = given['env-vars'];
  const overrides = file === undefined ? {} : parseOverrides(readGiven(file), file);

  const template = templateIn(given.output, given.stack);
  const described = readFunction(given.output, template, `${given.operation}.handler`);
  const { environment, undeclared } = overridden(described, overrides);
  if (undeclared.length > 0) {
    console.error(`Left out, since the template declares no such variables: ${undeclared.join(', ')}`);
  }
  print(`${present(await runOnce({ ...described, environment }, event))}\n`);
}

try {
  await main();
} catch (error) {
  if (!(error instanceof UsageError || error instanceof InvocationError)) throw error;
  console.error(error instanceof UsageError ? error.message : `${error.name}: ${error.message}`);
  process.exitCode = 1;
}
