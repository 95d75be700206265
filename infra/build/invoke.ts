import { spawnSync } from 'node:child_process';
import { globSync, readFileSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { operations, scheduled } from './functions.ts';
import { layOut } from './invoke/json-layout.ts';
import { applyOverrides, parseOverrides } from './invoke/overrides.ts';
import { findTemplate, readFunction, type TemplateFunction, UsageError } from './invoke/template.ts';
import { print } from './stdout.ts';

const ROOT = join(import.meta.dirname, '../..');

const names: readonly string[] = [...operations, ...scheduled];

const USAGE = `npm run invoke -- OPERATION EVENT [--env-vars FILE] [--stack NAME] [--output DIRECTORY]

Runs a function of the synthesized template once, from its bundle and with the template's variables. Prints its response to
stdout and its log to stderr. To pipe the response, use npm run -s.

  OPERATION    one of ${names.join(', ')}
  EVENT        file with an event, such as test/events/get.json
  --env-vars   file with variables that override the template's, in the format of sam local invoke
  --stack      name of the stack, if several are synthesized
  --output     the CDK's output directory; default: cdk.out`;

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
      throw new Error('OPERATION and EVENT are required, and nothing else is accepted');
    if (!names.includes(operation)) throw new Error(`unknown operation ${operation}`);
    return { ...values, output: resolve(values.output), operation, event };
  } catch (error) {
    throw new UsageError(`${(error as Error).message}\n\n${USAGE}`);
  }
}

function readFile(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new UsageError(`Cannot read ${file}: ${(error as Error).message}`);
  }
}

/** Path of the template. Synthesizes with the settings of `cdk.json` if there is none. */
function templateIn(directory: string, stack: string | undefined): string {
  const found = findTemplate(directory, stack);
  if (found) {
    warnIfOutdated(found);
    return found;
  }
  if (stack !== undefined) throw new UsageError(`${directory} has no stack ${stack}`);
  console.error(`${directory} has no template: running cdk synth`);
  const { status } = spawnSync(
    join(ROOT, 'node_modules/.bin/cdk'),
    ['synth', '--quiet', '--output', directory],
    { cwd: ROOT, stdio: ['ignore', 2, 2] },
  );
  const synthesized = status === 0 ? findTemplate(directory) : undefined;
  if (!synthesized) throw new UsageError('cdk synth wrote no template');
  return synthesized;
}

/** Only warns: synthesizing again would discard settings that were given on the command line of `cdk synth`. */
function warnIfOutdated(template: string): void {
  const { mtimeMs } = statSync(template);
  const sources = globSync('{functions,lib,infra}/**/*.ts', { cwd: ROOT });
  if (sources.some((file) => statSync(join(ROOT, file)).mtimeMs > mtimeMs)) {
    console.error('The code has changed since the last synthesis. To run the new code: npm run synth');
  }
}

/** Lambda's limit for the init phase. */
const START_TIMEOUT_MS = 10_000;

/**
 * Runs a function once in a child process, with only the function's environment variables. Its output goes to the stderr of this
 * process.
 *
 * @param event JSON text
 * @returns the function's result as JSON text; empty if it failed, which its output explains
 */
function invoke(
  { name, root, handler, environment, timeoutSeconds, memoryMb }: TemplateFunction,
  event: string,
) {
  const [module = '', exportName = ''] = handler.split('.');
  const program = join(import.meta.dirname, 'invoke/call-handler.ts');
  const { status, signal, output } = spawnSync(
    process.execPath,
    [program, join(root, `${module}.mjs`), exportName, String(timeoutSeconds)],
    {
      env: {
        ...environment,
        // The service detects Lambda by these. AWS credentials are not inherited: pass them with `--env-vars`.
        AWS_LAMBDA_FUNCTION_NAME: name,
        AWS_LAMBDA_FUNCTION_MEMORY_SIZE: String(memoryMb),
        AWS_REGION: environment.AWS_REGION ?? 'us-east-1',
      },
      input: event,
      stdio: ['pipe', 2, 2, 'pipe'],
      encoding: 'utf8',
      maxBuffer: Number.POSITIVE_INFINITY,
      timeout: START_TIMEOUT_MS + timeoutSeconds * 1000,
      killSignal: 'SIGKILL',
    },
  );
  const result = output[3] ?? '';
  if (result === '')
    console.error(`The function ended with ${signal ?? `code ${status}`} and without a response`);
  return result;
}

/** Formats a function's response for people. A JSON body is shown as JSON. The scheduled function returns null. */
function format(response: string): string {
  const parsed = JSON.parse(response);
  if (parsed === null) return response;
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

function main(): void {
  const options = readArguments(process.argv.slice(2));
  const event = readFile(options.event);
  if (!isJson(event)) throw new UsageError(`${options.event} is not JSON`);
  const file = options['env-vars'];
  const overrides = file === undefined ? {} : parseOverrides(readFile(file), file);

  const template = templateIn(options.output, options.stack);
  const description = readFunction(options.output, template, `${options.operation}.handler`);
  const { environment, undeclared } = applyOverrides(description, overrides);
  if (undeclared.length > 0) {
    console.error(`Ignored, because the template does not declare these variables: ${undeclared.join(', ')}`);
  }
  const response = invoke({ ...description, environment }, event);
  if (response === '') process.exitCode = 1;
  else print(`${format(response)}\n`);
}

try {
  main();
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  console.error(error.message);
  process.exitCode = 1;
}
