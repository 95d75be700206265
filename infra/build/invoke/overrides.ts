import { type TemplateFunction, UsageError } from './template.ts';

/** Values for variables: for all functions under `Parameters`, for one under its logical id, which goes first. */
export type Overrides = Record<string, Record<string, string>>;

/**
 * Reads a file of the form that `sam local invoke --env-vars` takes.
 *
 * @throws UsageError when it is of another form
 */
export function parseOverrides(text: string, file: string): Overrides {
  const wrong = new UsageError(
    `${file} must be like {"Parameters": {"NAME": "value"}} or {"GetFunction": {…}}`,
  );
  let given: unknown;
  try {
    given = JSON.parse(text);
  } catch {
    throw wrong;
  }
  if (!isObject(given)) throw wrong;
  const entries = Object.entries(given).map(([name, values]) => {
    if (!isObject(values) || Object.values(values).some((value) => typeof value === 'object')) throw wrong;
    const variables = Object.entries(values).map(([variable, value]) => [variable, String(value)]);
    return [name, Object.fromEntries(variables)];
  });
  return Object.fromEntries(entries);
}

/**
 * The variables of a function with the overrides in place. As with SAM, and as on Lambda, only variables that the template
 * declares reach the function.
 *
 * @returns also those of the overrides that the template does not declare
 * @throws UsageError when a variable is left whose value is known only after a deployment
 */
export function overridden(
  { name, environment, unknown }: TemplateFunction,
  { Parameters: all, [name]: own }: Overrides,
): { environment: Record<string, string>; undeclared: string[] } {
  const values = { ...all, ...own };
  const missing = unknown.filter((variable) => !(variable in values));
  if (missing.length > 0) {
    throw new UsageError(
      `${name} needs values that are known only once it is deployed: ${missing.join(', ')}; give others with ` +
        '--env-vars FILE, such as test/events/local.env.json',
    );
  }
  const isDeclared = (variable: string) => variable in environment || unknown.includes(variable);
  const given = Object.entries(values).filter(([variable]) => isDeclared(variable));
  return {
    environment: { ...environment, ...Object.fromEntries(given) },
    undeclared: Object.keys(values).filter((variable) => !isDeclared(variable)),
  };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
