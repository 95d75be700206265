import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** A mistake that the user of the command can correct. Only its message is printed. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** A function in the synthesized template. */
export interface TemplateFunction {
  /** Logical id. */
  name: string;
  /** Directory of the code. */
  root: string;
  /** `<module>.<export>` */
  handler: string;
  timeoutSeconds: number;
  memoryMb: number;
  environment: Record<string, string>;
  /** Names of variables whose values CloudFormation knows only after a deployment. */
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
 * Finds the service's template in the CDK's output directory.
 *
 * @param stack name of the stack; needed only if there are several
 * @returns path, or undefined if nothing has been synthesized
 * @throws UsageError if there are several stacks and `stack` is undefined
 */
export function findTemplate(directory: string, stack?: string): string | undefined {
  const found = existsSync(directory) ? readdirSync(directory).filter((name) => name.endsWith(SUFFIX)) : [];
  const stacks = found
    .map((name) => name.slice(0, -SUFFIX.length))
    .filter((name) => name.startsWith('CacheService'));
  const wanted = stack === undefined ? stacks : stacks.filter((name) => name === stack);
  if (wanted.length > 1) {
    throw new UsageError(
      `${directory} has several stacks, choose one with --stack: ${stacks.sort().join(', ')}`,
    );
  }
  return wanted[0] === undefined ? undefined : join(directory, `${wanted[0]}${SUFFIX}`);
}

/**
 * Reads the function with this handler from a template.
 *
 * @param directory the CDK's output directory, with the template and its assets
 * @throws UsageError if the template has no such function, or the function's code is missing
 */
export function readFunction(directory: string, template: string, handler: string): TemplateFunction {
  const { Resources } = JSON.parse(readFileSync(template, 'utf8')) as {
    Resources: Record<string, FunctionResource>;
  };
  const entry = Object.entries(Resources).find(
    ([, { Type, Properties }]) => Type === 'AWS::Lambda::Function' && Properties.Handler === handler,
  );
  if (!entry) throw new UsageError(`${template} has no function with the handler ${handler}`);
  const [name, { Properties, Metadata }] = entry;
  const asset = Metadata?.['aws:asset:path'];
  const root = asset && join(directory, asset);
  if (!root || !existsSync(root)) {
    throw new UsageError(`The code of ${name} in ${template} is missing; synthesize it with: npm run synth`);
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
