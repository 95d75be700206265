import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { FunctionDescription } from './run.ts';

/** Something that the user of a tool has to put right. Its message is all that need be printed. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** A function, and those of its variables whose values CloudFormation knows only once it has made the resources. */
export interface TemplateFunction extends FunctionDescription {
  unknown: string[];
}

interface FunctionResource {
  Type: string;
  Properties: {
    Handler: string;
    Timeout?: number;
    MemorySize?: number;
    Environment?: { Variables?: Record<string, unknown> };
  };
  Metadata?: { 'aws:asset:path'?: string };
}

const SUFFIX = '.template.json';

/**
 * The service's template in the CDK's output directory.
 *
 * @param stack the stack's name; not needed when there is only one
 * @returns its path, or undefined when nothing has been synthesized
 * @throws UsageError when there are several and none of them is named
 */
export function findTemplate(directory: string, stack?: string): string | undefined {
  const found = existsSync(directory) ? readdirSync(directory).filter((name) => name.endsWith(SUFFIX)) : [];
  const stacks = found
    .map((name) => name.slice(0, -SUFFIX.length))
    .filter((name) => name.startsWith('CacheService'));
  const wanted = stack === undefined ? stacks : stacks.filter((name) => name === stack);
  if (wanted.length > 1) {
    throw new UsageError(
      `${directory} holds several stacks, name one by --stack: ${stacks.sort().join(', ')}`,
    );
  }
  return wanted[0] === undefined ? undefined : join(directory, `${wanted[0]}${SUFFIX}`);
}

/**
 * Reads what a template says of the function with a handler.
 *
 * @param directory the CDK's output directory, which holds the template and its assets
 * @throws UsageError when the template has no such function, or does not say where its code is
 */
export function readFunction(directory: string, template: string, handler: string): TemplateFunction {
  const { Resources } = JSON.parse(readFileSync(template, 'utf8')) as {
    Resources: Record<string, FunctionResource>;
  };
  const entry = Object.entries(Resources).find(
    ([, { Type, Properties }]) => Type === 'AWS::Lambda::Function' && Properties.Handler === handler,
  );
  if (!entry) throw new UsageError(`${template} has no function whose handler is ${handler}`);
  const [name, { Properties, Metadata }] = entry;
  const asset = Metadata?.['aws:asset:path'];
  const root = asset && join(directory, asset);
  if (!root || !existsSync(root)) {
    throw new UsageError(`${template} does not lead to the code of ${name}; synthesize it by: npm run synth`);
  }
  const variables = Object.entries(Properties.Environment?.Variables ?? {});
  return {
    name,
    root,
    handler,
    // Lambda's defaults.
    timeoutSeconds: Properties.Timeout ?? 3,
    memoryMb: Properties.MemorySize ?? 128,
    environment: Object.fromEntries(
      variables.filter((variable): variable is [string, string] => typeof variable[1] === 'string'),
    ),
    unknown: variables.filter(([, value]) => typeof value !== 'string').map(([variable]) => variable),
  };
}
