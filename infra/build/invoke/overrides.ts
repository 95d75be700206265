import { type TemplateFunction, UsageError } from './template.ts';

/** Variables for all functions under `Parameters`, for one function under its logical id, which takes precedence. */
type Overrides = Record<string, Record<string, string>>;

/**
 * Parses a file in the format of `sam local invoke --env-vars`.
 *
 * @throws UsageError for any other format
 */
export function parseOverrides(text: string, file: string): Overrides {
  const wrong = new UsageError(
    `${file} must be like {"Parameters": {"NAME": "value"}} or {"GetFunction": {…}}`,
  );
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    throw wrong;
  }
  if (!isObject(parsed)) throw wrong;
  const entries = Object.entries(parsed).map(([name, values]) => {
    if (!isObject(values) || Object.values(values).some((value) => typeof value === 'object')) throw wrong;
    const variables = Object.entries(values).map(([variable, value]) => [variable, String(value)]);
    return [name, Object.fromEntries(variables)];
  });
  return Object.fromEntries(entries);
}

/**
 * The variables of a function after overrides. As in SAM, only variables that the template declares can be overridden.
 *
 * @returns `undeclared`: overrides that were ignored
 * @throws UsageError if a variable remains whose value is known only after a deployment
 */
export function applyOverrides(
  { name, environment, unknown }: TemplateFunction,
  { Parameters: all, [name]: own }: Overrides,
): { environment: Record<string, string>; undeclared: string[] } {
  const values = { ...all, ...own };
  const missing = unknown.filter((variable) => !(variable in values));
  if (missing.length > 0) {
    throw new UsageError(
      `${name} needs values that are known only after a deployment: ${missing.join(', ')}; set them with ` +
        '--env-vars FILE, such as test/events/local.env.json',
    );
  }
  const isDeclared = (variable: string) => variable in environment || unknown.includes(variable);
  const declared = Object.entries(values).filter(([variable]) => isDeclared(variable));
  return {
    environment: { ...environment, ...Object.fromEntries(declared) },
    undeclared: Object.keys(values).filter((variable) => !isDeclared(variable)),
  };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
