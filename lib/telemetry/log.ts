import { type Config, LOG_LEVELS, type LogLevel } from '../config.ts';

/** Writes one JSON object a line. Callers pass no secret, no key and no value at INFO or above. */
export type Log = Record<Lowercase<LogLevel>, (message: string, fields?: Record<string, unknown>) => void>;

/** A log that drops whatever is below the level of the settings. `write` takes whole lines. */
export function createLog(
  { logLevel, serviceName }: Pick<Config, 'logLevel' | 'serviceName'>,
  write: (line: string) => void = (line) => process.stdout.write(line),
): Log {
  const threshold = LOG_LEVELS.indexOf(logLevel);
  const at = (level: LogLevel) =>
    LOG_LEVELS.indexOf(level) < threshold
      ? () => {}
      : (message: string, fields: Record<string, unknown> = {}) => {
          const timestamp = new Date().toISOString();
          write(
            `${JSON.stringify({ level, message, timestamp, service: serviceName, ...fields }, describeErrors)}\n`,
          );
        };
  return { debug: at('DEBUG'), info: at('INFO'), warn: at('WARN'), error: at('ERROR') };
}

/** `JSON.stringify` shows an Error as `{}`; a log needs its stack and what caused it. */
function describeErrors(_name: string, value: unknown): unknown {
  if (!(value instanceof Error)) return value;
  return { name: value.name, message: value.message, stack: value.stack, cause: value.cause };
}
