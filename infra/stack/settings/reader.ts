import { ConfigError, list, shown } from '../../../lib/config/parse.ts';

/** Reads values out of the CDK's context, where each may be of its own type (`cdk.json`) or text (`-c name=value`). */
export class SettingsReader {
  readonly #context: Record<string, unknown>;

  constructor(context: Record<string, unknown>) {
    this.#context = context;
  }

  has(name: string): boolean {
    return this.#raw(name) !== undefined;
  }

  /**
   * @param shape what the whole of it must match
   * @param description of the shape, for the message: «must be …»
   * @throws ConfigError
   */
  text(name: string, shape: RegExp, description: string): string | undefined {
    const given = this.#raw(name);
    if (given === undefined) return undefined;
    if (!shape.test(given)) throw new ConfigError(name, `must be ${description}, not ${shown(given)}`);
    return given;
  }

  /** As {@link text}, of what cannot be left out. `reason` says when. @throws ConfigError */
  required(name: string, shape: RegExp, description: string, reason: string): string {
    const given = this.text(name, shape, description);
    if (given === undefined) throw new ConfigError(name, `must be given with ${reason}: ${description}`);
    return given;
  }

  /** Parts with commas between them, or a list in `cdk.json`; empty if it is not given. @throws ConfigError */
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

  /** What is set to nothing counts as not set, as in the service's own settings. */
  #raw(name: string): string | undefined {
    const given = this.#context[name];
    if (given === undefined || given === null) return undefined;
    const parts: unknown[] = Array.isArray(given) ? given : [given];
    if (parts.some((part) => typeof part === 'object')) {
      throw new ConfigError(name, 'must be a plain value or a list of them, not an object');
    }
    return parts.join(',').trim() || undefined;
  }
}
