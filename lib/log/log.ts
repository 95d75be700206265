import { isRequestXRaySampled } from '@aws-lambda-powertools/commons/utils/env';
import { LogFormatter, Logger, LogItem } from '@aws-lambda-powertools/logger';
import type { LogAttributes, UnformattedAttributes } from '@aws-lambda-powertools/logger/types';
import { type Config, LOG_LEVELS, type LogLevel } from '../config/config.ts';
import { isoNow } from '../time.ts';
import type { Sink } from './sink.ts';

/** Writes one JSON object a line. Callers pass no secret, no key and no value at INFO or above. */
export type Log = Record<Lowercase<LogLevel>, (message: string, fields?: Record<string, unknown>) => void>;

/** A log that drops whatever is below the level of the settings. `write` takes whole lines. */
export function createLog(
  { logLevel, serviceName }: Pick<Config, 'logLevel' | 'serviceName'>,
  write: Sink = (line) => process.stdout.write(line),
): Log {
  const logger = lineLogger({ serviceName, logLevel, logFormatter: new Formatter() }, write);
  const log: Log = {
    debug: (message, fields = {}) => logger.debug(message, fields),
    info: (message, fields = {}) => logger.info(message, fields),
    warn: (message, fields = {}) => logger.warn(message, fields),
    error: (message, fields = {}) => logger.error(message, fields),
  };
  // Not left to the logger: where the platform has a level of its own, as on Lambda, it goes by that and not by ours.
  for (const level of LOG_LEVELS.slice(0, LOG_LEVELS.indexOf(logLevel))) {
    log[level.toLowerCase() as keyof Log] = () => {};
  }
  return log;
}

/** Powertools' logger, writing lines where it is told to and not to a console of its own. */
function lineLogger(options: ConstructorParameters<typeof Logger>[0], write: Sink): Logger {
  // Not a member: Powertools may have something to say while it is constructed, before a class of ours has any.
  class LineLogger extends Logger {
    protected override printLog(_level: number, item: LogItem): void {
      const attributes = item.getAttributes();
      const replacer = holdsObject(attributes) ? this.getJsonReplacer() : undefined;
      write(`${JSON.stringify(attributes, replacer)}\n`);
    }
  }
  return new LineLogger(options);
}

/** The line that every request writes holds none, and is made twice as fast without a look at each of its members. */
function holdsObject(attributes: LogAttributes): boolean {
  for (const name in attributes) if (typeof attributes[name] === 'object') return true;
  return false;
}

/** Powertools' own names, without what a line of ours has no use for. */
class Formatter extends LogFormatter {
  override formatAttributes(base: UnformattedAttributes, fields: LogAttributes): LogItem {
    const { logLevel, message, serviceName, xRayTraceId } = base;
    return new LogItem({
      attributes: {
        level: logLevel,
        message,
        timestamp: isoNow(),
        service: serviceName,
        // The id of a trace that is not sampled leads nowhere. Lambda sets one for every request.
        xray_trace_id: isRequestXRaySampled() ? xRayTraceId : undefined,
        ...fields,
      },
    });
  }

  /** Without what else an error carries: those of the client hold the command, and so keys and values. */
  override formatError({ name, message, stack, cause }: Error): LogAttributes {
    return { name, message, stack, cause: cause instanceof Error ? this.formatError(cause) : undefined };
  }
}
