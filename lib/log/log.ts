import { LOG_LEVELS, type LogLevel } from '../config/config.ts';
import { isoNow } from '../time.ts';
import type { Sink } from './sink.ts';

/** Writes one JSON object per line. Callers pass no secret, key or value at INFO or above. */
export interface Log {
  info: (message: string, fields?: PlainFields) => void;
  warn: (message: string, fields?: LogLineFields) => void;
  error: (message: string, fields?: LogLineFields) => void;
}

type LogLineFields = Readonly<Record<string, unknown>>;

/** What `JSON.stringify` writes as it is. It would write an Error as `{}`, and throw for a bigint. */
type Plain = string | number | boolean | null | undefined | readonly Plain[] | PlainFields;
type PlainFields = { readonly [name: string]: Plain };

/**
 * Creates a log that drops lines below `logLevel`. Lines have the members of Powertools' logger (`level`, `message`, `timestamp`,
 * `service`, `xray_trace_id`), which CloudWatch's ready-made queries expect.
 *
 * @param write takes whole lines
 */
export function createLog(
  { logLevel, serviceName }: { logLevel: LogLevel; serviceName: string },
  write: Sink = (line) => process.stdout.write(line),
): Log {
  const writerOf = (level: LogLevel, toLine: (fields: LogLineFields) => string) => {
    if (LOG_LEVELS.indexOf(level) < LOG_LEVELS.indexOf(logLevel)) return () => {};
    return (message: string, fields: LogLineFields = {}) => {
      const base = { level, message, timestamp: isoNow(), service: serviceName };
      write(`${toLine({ ...base, xray_trace_id: sampledTraceId(), ...fields })}\n`);
    };
  };
  return {
    // Every request has a line at INFO, and a replacer would more than double its time.
    info: writerOf('INFO', JSON.stringify),
    warn: writerOf('WARN', printErrors),
    error: writerOf('ERROR', printErrors),
  };
}

/** Lambda sets a trace id for every request, also for those whose trace is not sampled and does not exist. */
function sampledTraceId(): string | undefined {
  const trace = process.env._X_AMZN_TRACE_ID;
  return trace?.includes('Sampled=1') ? /Root=([^;]+)/.exec(trace)?.[1] : undefined;
}

function printErrors(fields: LogLineFields): string {
  try {
    return JSON.stringify(fields, printable);
  } catch {
    // A thrown object may contain itself.
    return JSON.stringify(fields, (name, value) =>
      name && typeof value === 'object' ? String(value) : value,
    );
  }
}

function printable(_name: string, value: unknown): unknown {
  if (value instanceof Error) return formatError(value);
  return typeof value === 'bigint' ? String(value) : value;
}

/** Omits other members: those of ioredis's errors contain the command, and so keys and values. */
function formatError({ name, message, stack, cause }: Error): LogLineFields {
  return { name, message, stack, cause: cause instanceof Error ? formatError(cause) : undefined };
}
