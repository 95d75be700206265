/** Variables by their names. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** An invalid setting. The message is one line that begins with the setting's name. */
export class ConfigError extends Error {
  constructor(name: string, problem: string) {
    super(`${name} ${problem}`);
    this.name = 'ConfigError';
  }
}

/** The trimmed value; undefined if it is empty, since shells and templates often set variables to nothing. */
export function text(env: Environment, name: string): string | undefined {
  return env[name]?.trim() || undefined;
}

/** @throws ConfigError unless it is a whole number from `min` to `max` */
export function integer<Fallback extends number | undefined>(
  env: Environment,
  name: string,
  fallback: Fallback,
  min: number,
  max: number,
): number | Fallback {
  const given = text(env, name);
  if (given === undefined) return fallback;
  const value = /^\d{1,16}$/.test(given) ? Number(given) : Number.NaN;
  if (!(value >= min && value <= max)) {
    throw new ConfigError(name, `must be a whole number from ${min} to ${max}, not ${shown(given)}`);
  }
  return value;
}

/** @returns 1 if it is not set @throws ConfigError unless it is a number from 0 to 1 */
export function share(env: Environment, name: string): number {
  const given = text(env, name) ?? '1';
  const value = /^(\d+\.?\d*|\.\d+)$/.test(given) ? Number(given) : Number.NaN;
  if (!(value >= 0 && value <= 1)) {
    throw new ConfigError(name, `must be a number from 0 to 1, not ${shown(given)}`);
  }
  return value;
}

/** @throws ConfigError unless it is one of the choices */
export function oneOf<const Choice extends string>(
  env: Environment,
  name: string,
  choices: readonly Choice[],
  fallback: Choice,
): Choice {
  const given = text(env, name) ?? fallback;
  const found = choices.find((choice) => choice === given);
  if (found !== undefined) return found;
  throw new ConfigError(name, `must be one of ${choices.join(', ')}, not ${shown(given)}`);
}

/**
 * @param shape that the whole value must match
 * @param description of the shape, for the message
 * @throws ConfigError
 */
export function shaped(
  env: Environment,
  name: string,
  shape: RegExp,
  description: string,
): string | undefined {
  const given = text(env, name);
  if (given === undefined || shape.test(given)) return given;
  throw new ConfigError(name, `must be ${description}, not ${shown(given)}`);
}

/** @throws ConfigError unless it is `true`, `false`, `1` or `0`; absent means false */
export function boolean(env: Environment, name: string): boolean {
  const given = text(env, name)?.toLowerCase();
  if (given === undefined || given === 'false' || given === '0') return false;
  if (given === 'true' || given === '1') return true;
  throw new ConfigError(name, `must be true or false, not ${JSON.stringify(given)}`);
}

/** @throws ConfigError with the message of `parse`'s error, which must not contain the URL: it may contain a password */
export function url<T>(env: Environment, name: string, parse: (url: string) => T): T | undefined {
  const given = text(env, name);
  if (given === undefined) return undefined;
  try {
    return parse(given);
  } catch (error) {
    throw new ConfigError(name, (error as Error).message);
  }
}

/** @throws ConfigError unless it is the ARN of a Secrets Manager secret */
export function secretArn(env: Environment, name: string): string | undefined {
  const given = text(env, name);
  if (given !== undefined && !/^arn:[\w-]+:secretsmanager:[\w-]+:\d{12}:secret:\S+$/.test(given)) {
    throw new ConfigError(name, 'must be the ARN of a Secrets Manager secret');
  }
  return given;
}

/** Parses `host[:port]`, with an IPv6 address in brackets. @throws Error with the message `problem` */
export function parseHost(
  given: string,
  defaultPort: number,
  problem: string,
): { host: string; port: number } {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]\s/?#]+))(?::(\d{1,5}))?$/.exec(given);
  const host = match?.[1] ?? match?.[2];
  const port = match?.[3] === undefined ? defaultPort : Number(match[3]);
  if (host === undefined || port < 1 || port > 65_535) throw new Error(problem);
  return { host, port };
}

/**
 * A comma-separated list; empty if the variable is not set.
 *
 * @param shape that each part must match
 * @param description of the shape, for the message
 * @throws ConfigError
 */
export function list(env: Environment, name: string, shape: RegExp, description: string): string[] {
  const parts = text(env, name)?.split(',') ?? [];
  return parts.map((part) => {
    const trimmed = part.trim();
    if (shape.test(trimmed)) return trimmed;
    throw new ConfigError(name, `must be ${description}, separated by commas, not ${shown(trimmed)}`);
  });
}

/** The value as a message may show it: without a URL that contains a password, which may have been put into the wrong setting. */
export function shown(given: string): string {
  return /:\/\/.*@/.test(given) ? 'a URL with a login' : JSON.stringify(given);
}
