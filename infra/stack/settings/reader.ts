import { ConfigError, list, shown } from '../../../lib/config/parse.ts';

/** Reads the CDK's context. A value has a JSON type in `cdk.json`, and is text from `-c name=value`. */
export class SettingsReader {
  readonly #context: Record<string, unknown>;

  constructor(context: Record<string, unknown>) {
    this.#context = context;
  }

  has(name: string): boolean {
    return this.#raw(name) !== undefined;
  }

  /**
   * @param shape regular expression for the whole value
   * @param description of the shape, for the message "must be …"
   * @throws ConfigError
   */
  text(name: string, shape: RegExp, description: string): string | undefined {
    const given = this.#raw(name);
    if (given === undefined) return undefined;
    if (!shape.test(given)) throw new ConfigError(name, `must be ${description}, not ${shown(given)}`);
    return given;
  }

  /** A required {@link text}. @param condition the settings with which it is required @throws ConfigError */
  required(name: string, shape: RegExp, description: string, condition: string): string {
    const given = this.text(name, shape, description);
    if (given === undefined) throw new ConfigError(name, `must be set with ${condition}: ${description}`);
    return given;
  }

  /** Values separated by commas, or an array in `cdk.json`. @returns an empty array if it is not set @throws ConfigError */
  list(name: string, shape: RegExp, description: string): string[] {
    return list({ [name]: this.#raw(name) }, name, shape, description);
  }

  /** @throws ConfigError */
  oneOf<const T extends string>(name: string, choices: readonly T[], fallback: T): T {
    const given = this.#raw(name) ?? fallback;
    const found = choices.find((choice) => choice === given);
    if (found === undefined) {
      throw new ConfigError(name, `must be one of ${choices.join(', ')}, not ${shown(given)}`);
    }
    return found;
  }

  /** @throws ConfigError */
  boolean(name: string): boolean {
    return this.oneOf(name, ['true', 'false'], 'false') === 'true';
  }

  /** @throws ConfigError unless it is a whole number from `min` to `max` */
  optionalInteger(name: string, min: number, max: number): number | undefined {
    const given = this.#raw(name);
    if (given === undefined) return undefined;
    const value = /^\d{1,9}$/.test(given) ? Number(given) : Number.NaN;
    if (!(value >= min && value <= max)) {
      throw new ConfigError(name, `must be a whole number from ${min} to ${max}, not ${shown(given)}`);
    }
    return value;
  }

  integer(name: string, fallback: number, min: number, max: number): number {
    return this.optionalInteger(name, min, max) ?? fallback;
  }

  /** An empty value counts as not set, as in the service's own settings. */
  #raw(name: string): string | undefined {
    const given = this.#context[name];
    if (given === undefined || given === null) return undefined;
    const parts: unknown[] = Array.isArray(given) ? given : [given];
    if (parts.some((part) => typeof part === 'object')) {
      throw new ConfigError(name, 'must be a single value or a list of values, not an object');
    }
    return parts.join(',').trim() || undefined;
  }
}
